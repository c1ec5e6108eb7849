"""A function from photos to probabilities is audited as the network behind it is."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from tests import odd_models, tiny
from tests.methods.asking import METHODS
from xai_audit.attribute.methods import check_possible
from xai_audit.errors import ConfigError, ModelError
from xai_audit.models.callable import build
from xai_audit.network.black_box import PhotoFunction, photos_of
from xai_audit.network.inputs import Inputs, probabilities
from xai_audit.network.prepare import fingerprint, prepare
from xai_audit.types import LoadedModel, ModelSpec, Preprocess

FUNCTION = ["model=callable", "model.function=tests.odd_models:probabilities"]
SMALL = Preprocess(resize=8, crop=(8, 8))


def spec_of(function: str, **changes: object) -> ModelSpec:
    node = yaml.safe_load((tiny.REPO / "conf" / "model" / "callable.yaml").read_text())
    assert node.pop("_target_") == "xai_audit.models.callable.build"
    node["preprocess"] |= {"resize": 72, "crop": 64}
    return build(num_classes_of_dataset=3, **{**node, "function": function, **changes})


def arguments(folder, out, *more: str) -> list[str]:
    return tiny.overrides(folder, out, "method=occlusion", "method.window=0.4", *more)


@pytest.fixture(scope="module")
def both(folder, tmp_path_factory):
    """A whole audit of the network, and one of a function that calls it."""
    place = tmp_path_factory.mktemp("both")
    # Black is a photo's colour; the mean of ImageNet is rounded for a function of photos.
    more = ["method.stride=0.2", "method.baseline=black", tiny.WHOLE, "adversarial.images=2"]
    for name, model in (("network", []), ("function", FUNCTION)):
        given = [each for each in arguments(folder, place / name, *more) if model == [] or
                 not each.startswith(("model=", "model.factory"))]  # fmt: skip
        done = tiny.audit([*given, *model])
        assert done.returncode == 0, done.stderr
        (place / f"{name}.log").write_text(done.stderr)
    return place


def table(place, run: str, name: str) -> pd.DataFrame:
    return pd.read_parquet(place / run / name)


@pytest.mark.xdist_group("callable")  # they share two runs
def test_where_the_evidence_for_the_margin_lies_is_the_same(both) -> None:
    # A margin of logarithms of probabilities is a margin of logits.
    rows = [table(both, run, "scores") for run in ("network", "function")]
    margins = [each[each["target_kind"] == "contrast"].set_index("image_id") for each in rows]
    assert len(margins[0]) == 18
    same = ["mass_border", "mass_corner_top_left", "confidence", "pred", "relevance_total"]
    for column in same:
        np.testing.assert_allclose(margins[0][column], margins[1][column], rtol=1e-3, atol=1e-4)


@pytest.mark.xdist_group("callable")  # they share two runs
def test_reliance_and_pull_are_the_same(both) -> None:
    rows = [table(both, run, "evidence.parquet") for run in ("network", "function")]
    for column in ("reliance", "pull", "availability"):
        np.testing.assert_allclose(rows[0][column], rows[1][column], atol=1e-4)


@pytest.mark.xdist_group("callable")  # they share two runs
def test_what_needs_weights_or_gradients_is_left_out(both) -> None:
    assert len(table(both, "network", "adversarial.parquet")) > 0
    assert len(table(both, "function", "adversarial.parquet")) == 0
    checked = table(both, "function", "methods.parquet").set_index("method").loc["occlusion"]
    assert checked["trusted"] is None
    assert np.isnan(checked["similarity_all"])
    assert "a model of outputs has none" in checked["because"]
    network = table(both, "network", "methods.parquet").set_index("method").loc["occlusion"]
    assert checked["insertion"] == pytest.approx(network["insertion"], abs=0.02)
    said = (both / "function.log").read_text()
    assert "the model gives outputs only: no weights are drawn anew and no attack is made" in said
    assert (both / "function" / "SUCCESS").is_file()


@pytest.mark.parametrize("name", METHODS)
def test_a_method_runs_or_one_line_names_those_that_do(name: str, folder, tmp_path) -> None:
    able = ("feature_ablation", "kernel_shap", "lime", "occlusion", "rise")
    few = {"lime": ["method.samples=30"], "kernel_shap": ["method.samples=30"]}
    few |= {"rise": ["method.samples=20"], "feature_ablation": ["method.pieces=9"]}
    given = [each for each in tiny.overrides(folder, tmp_path / "out", f"method={name}")
             if not each.startswith(("model=", "model.factory"))]  # fmt: skip
    done = tiny.audit([*given, *FUNCTION, "limit=3", *few.get(name, [])])
    if name in able:
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "out" / "scores").is_dir()
        return
    assert done.returncode == 2
    assert f"expected one of {', '.join(able)}, or captum with the attribution " in done.stderr
    assert done.stderr.rstrip().endswith("ShapleyValues | remedy: method=occlusion")
    assert not (tmp_path / "out" / "attributions").exists()


def test_captums_attributions_that_need_outputs_only_are_possible() -> None:
    attr = pytest.importorskip("captum.attr")
    from xai_audit.methods._captum_classes import _classes, _obstacle

    for name, kind in _classes().items():
        if _obstacle(kind) is not None:
            continue
        able = issubclass(kind, attr.PerturbationAttribution)
        able = able and not issubclass(kind, attr.LayerAttribution)
        method = {"_target_": "xai_audit.methods.captum.Captum", "attribution": name, "name": "n"}
        with nullcontext() if able else pytest.raises(ConfigError, match="outputs only"):
            check_possible([method], forward_only=True)


@pytest.mark.parametrize("name", ["ShapleyValueSampling", "KernelShap"])
def test_one_of_captums_that_needs_outputs_only(name: str, folder, tmp_path) -> None:
    few = ["method.kwargs={n_samples: 12}", "method.superpixels=grid", "method.pieces=4"]
    given = [each for each in tiny.overrides(folder, tmp_path / "out", "method=captum")
             if not each.startswith(("model=", "model.factory"))]  # fmt: skip
    more = [f"method.attribution={name}", *few, "limit=3", "stages=[index,attribute,score]"]
    done = tiny.audit([*given, *FUNCTION, *more])
    assert done.returncode == 0, done.stderr
    rows = pd.read_parquet(tmp_path / "out" / "scores")
    assert (rows["relevance_total"] > 0).any()


def test_photos_come_back_from_normalised_images() -> None:
    photos = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    for preprocess in (SMALL, Preprocess(mean=(0.0,) * 3, std=(2.0,) * 3, scale=1.0)):
        loaded = LoadedModel(torch.nn.Identity(), preprocess, "", 3, (1, 1), "cpu")
        again = photos_of(Inputs(loaded, "fp32").normalised(photos), preprocess)
        assert np.array_equal(again, photos.permute(0, 2, 3, 1))


@pytest.mark.parametrize("head", [None, "sigmoid"])
def test_probabilities_go_out_as_they_came_in(head: str | None) -> None:
    wanted = torch.tensor([[0.0, 0.25, 0.75], [0.5, 0.5, 0.0], [0.2, 0.2, 0.6]])
    box = PhotoFunction(
        lambda photos: wanted[: len(photos)].numpy(), SMALL, name="f", independent=bool(head)
    )
    found = probabilities(box(torch.zeros(3, 3, 8, 8)), head or "softmax")
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)


def test_one_probability_is_that_of_the_second_class() -> None:
    box = PhotoFunction(lambda photos: [0.8] * len(photos), SMALL, name="f", independent=False)
    model = prepare(ModelSpec(box, SMALL, "f"), device="cpu")
    assert (model.num_outputs, model.target_layer, model.grid) == (2, "", (1, 1))
    found = model.module(torch.zeros(2, 3, 8, 8)).softmax(1)
    torch.testing.assert_close(found, torch.tensor([[0.2, 0.8]] * 2))


@pytest.mark.parametrize(
    ("given", "independent", "text"),
    [
        ([[0.5, 0.2]], False, "expected rows that sum to 1, or model.head=sigmoid | got 0.7"),
        ([[3.0, -2.0]], False, "expected numbers from 0 to 1 | got -2 to 3"),
        ([[3.0, 0.5]], True, "expected numbers from 0 to 1 | got 0.5 to 3"),
        ([[0.5, 0.5]] * 2, False, "expected (1, K) numbers | got float64 (2, 2)"),
        ([[[0.5, 0.5]]], False, "got float64 (1, 1, 2)"),
        (["rose"], False, "got <U4 (1,)"),
        (None, False, "got object ()"),
    ],
)
def test_what_is_no_probability_is_one_line(given: object, independent: bool, text: str) -> None:
    with pytest.raises(ModelError) as caught:
        PhotoFunction(lambda _: given, SMALL, name="mine:predict", independent=independent)
    assert "gives no probabilities of the photos' classes: mine:predict" in str(caught.value)
    assert text in str(caught.value)


def test_another_function_is_another_model(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "tests.odd_models:probabilities"
    first = fingerprint(spec_of(name))
    assert fingerprint(spec_of(name)) == first
    assert fingerprint(spec_of(name, kwargs={"temperature": 2.0})) != first
    plain = odd_models.probabilities
    monkeypatch.setattr(odd_models, "probabilities", lambda photos: plain(photos)[:, ::-1])
    assert fingerprint(spec_of(name)) != first


def test_noise_of_a_tiny_probability_is_the_same_model() -> None:
    found = {}
    for least, most in ((1e-6, 0.75), (1.3e-6, 0.75), (1e-6, 0.74)):
        row = [[least, 1 - most - least, most]]
        box = PhotoFunction(lambda _, row=row: row, SMALL, name="f", independent=False)
        found[least, most] = fingerprint(ModelSpec(box, SMALL, "f"))
    assert found[1e-6, 0.75] == found[1.3e-6, 0.75] != found[1e-6, 0.74]


def test_wrong_keys_are_named() -> None:
    with pytest.raises(ModelError, match=r"model\.head"):
        spec_of("tests.odd_models:probabilities", head="linear")
    for name, text in (
        ("tests.odd_models:probability", "has no probability: model.function=tests.odd_models:pro"),
        ("tests.nowhere:predict", "there is no such module: model.function=tests.nowhere "),
        ("tests.odd_models", "a function that names no callable: model.function "),
        ("tests.odd_models:__doc__", "the function cannot be called: model.function=tests.odd"),
    ):
        with pytest.raises(ModelError, match=text):
            spec_of(name)
