"""Models and methods that misbehave: a line that says so, or the right numbers all the same."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import torch

from tests import tiny

ODD = "model.factory=tests.odd_models:"


def run(folder, out, *more):
    return tiny.audit(tiny.overrides(folder, out, *more))


def odd_method(tmp_path, name: str, way: str) -> list[str]:
    """The command line of a method of one's own."""
    conf = tmp_path / "conf" / "method"
    conf.mkdir(parents=True)
    (conf / "odd.yaml").write_text(
        f"_target_: tests.odd_models.Odd\nname: {name}\nsign: positive\nway: {way}\n"
    )
    return ["--config-dir", str(conf.parent)]


def test_a_model_that_works_in_place_gets_the_masses_of_one_that_does_not(folder, tmp_path):
    found = []
    for name in ("InPlace", "OutOfPlace"):
        out = tmp_path / name
        given = ("methods=[occlusion,eigencam,saliency]", "stages=[index,attribute,score,trust]")
        result = run(folder, out, ODD + name, *given, "trust.images=6")
        assert result.returncode == 0, result.stderr
        found.append((pd.read_parquet(out / "scores"), pd.read_parquet(out / "methods.parquet")))
    (scores, methods), (others, other_methods) = found
    pd.testing.assert_frame_equal(scores, others, atol=1e-4)
    pd.testing.assert_frame_equal(methods, other_methods, atol=1e-3)


def test_an_activation_in_several_places_is_not_the_layer_to_explain(folder, tmp_path):
    """The log, ``run.json`` and the report name the layer before it."""
    out = tmp_path / "out"
    result = run(
        folder, out, ODD + "SharedActivation", "stages=[index,attribute,score,flag,report]"
    )
    assert result.returncode == 0, result.stderr
    assert "target layer: body.3, 8 x 8 cells (found; another one: model.target_layer=NAME)" in (
        result.stderr
    )
    assert json.loads((out / "run.json").read_text())["model"]["target_layer"] == "body.3"
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "body.3, 8 × 8 cells, found automatically" in page


@pytest.mark.parametrize("model", ["Constant", "thousand"])
def test_nothing_to_compare_ends_in_a_report(folder, tmp_path, model):
    """No two methods agree on anything; no class of the dataset is another's strongest rival."""
    classes = tmp_path / "classes.json"
    classes.write_text(json.dumps({name: place for place, name in enumerate(tiny.CLASSES)}))
    out = tmp_path / "out"
    more = [f"dataset.class_to_idx={classes}"] if model == "thousand" else []
    given = (tiny.WHOLE, "methods=[gradcam,saliency]", "adversarial.images=2", ODD + model, *more)
    result = run(folder, out, *given)
    assert result.returncode == 0, result.stderr
    assert (out / "SUCCESS").exists()


@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("raises", "method odd failed: circle/0000.jpg"),
        ("bare", "method odd broke its contract: circle/0000.jpg"),
        ("none", "expected an Attribution of a tensor | got NoneType"),
        ("numpy", "expected an Attribution of a tensor | got ndarray"),
        ("narrow", "h, w) | got (2, 4, 4)"),
        ("error", "expected completeness_error"),
    ],
)
def test_a_method_of_ones_own_that_misbehaves_is_named_with_its_images(folder, tmp_path, way, told):
    more = odd_method(tmp_path, "odd", way)
    result = tiny.audit([*more, *tiny.overrides(folder, tmp_path / "out", "method=odd")])
    assert result.returncode == 1
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_a_method_may_not_have_the_name_of_the_noise(folder, tmp_path):
    more = odd_method(tmp_path, "random", "good")
    result = tiny.audit([*more, *tiny.overrides(folder, tmp_path / "out", "method=odd")])
    assert result.returncode == 2
    assert "method.name | got random" in result.stderr


def test_maps_without_relevance_beside_others(folder, tmp_path):
    more = odd_method(tmp_path, "odd", "zero")
    out = tmp_path / "out"
    given = tiny.overrides(folder, out, tiny.WHOLE, "methods=[gradcam,odd]", "trust.images=6")
    result = tiny.audit([*more, *given])
    assert result.returncode == 0, result.stderr
    methods = pd.read_parquet(out / "methods.parquet").set_index("method")
    assert methods.loc["odd", "n_images"] == 0
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "It is unknown for odd: Only 0 maps could be compared" in page


def test_a_checkpoint_with_nan_ends_with_the_tensor_s_name(folder, tmp_path):
    state = tiny.net().state_dict()
    state["3.weight"][2, 1] = torch.nan
    torch.save(state, tmp_path / "net.pt")
    out = tmp_path / "out"
    result = run(folder, out, f"model.checkpoint={tmp_path / 'net.pt'}")
    assert result.returncode == 2
    assert "xai_audit: the model's weights are not finite: 3.weight | expected" in result.stderr
    assert "Traceback" not in result.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("lazy", "a layer has no weights yet: 0.weight"),
        ("Leaving", "the model failed: circle/0000.jpg"),
    ],
)
def test_a_model_that_cannot_be_asked_is_one_line(folder, tmp_path, model, told):
    result = run(folder, tmp_path / "out", ODD + model, "compute.batch_size=4")
    assert result.returncode in (1, 2)
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_another_view_of_the_photos_undoes_what_was_asked_of_the_model(folder, tmp_path):
    out = tmp_path / "out"
    given = ("trust.images=6", "adversarial.images=2")
    assert run(folder, out, *given, tiny.WHOLE).returncode == 0
    assert run(folder, out, *given, "model.preprocess.mean=[0.1,0.1,0.1]").returncode == 0
    current = json.loads((out / "run.json").read_text())["fingerprints"]
    assert {*current} == {"index", "mask", "attribute", "score"}
    assert not (out / "SUCCESS").exists()
