"""Every method through the command, and several in one pass."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from tests import tiny
from tests.methods.asking import METHODS, name_of

# Few draws: that the command carries a method's keys to it, not how good a map is.
KEYS = {
    "rise": ["method.samples=50"],
    "lime": ["method.samples=40", "method.superpixels=grid"],
    "kernel_shap": ["method.samples=40", "method.fill=black"],
    "integrated_gradients": ["method.steps=4", "method.baseline=photo"],
    "gradient_shap": ["method.samples=4", "method.baselines=[black,random,photo]"],
    "smoothgrad": ["method.samples=4"],
    "gradcam": ["method.layers=['3','4']"],
    "attention_rollout": ["model.factory=tests.methods.nets:small_vit"],
    "attention_gradient_rollout": ["model.factory=tests.methods.nets:small_vit"],
    "captum": ["+method.kwargs.n_steps=4", "method.baseline=photo"],
}
PROMISE = {"integrated_gradients", "gradient_shap", "deeplift", "kernel_shap", "captum"}


@pytest.mark.parametrize("name", METHODS)
def test_a_method(folder, tmp_path, name):
    out = tmp_path / "out"
    more = (f"method={name}", "limit=3", *KEYS.get(name, ()))
    result = tiny.audit(tiny.overrides(folder, out, *more))
    assert result.returncode == 0, result.stderr
    scores = pd.read_parquet(out / "scores")
    assert len(scores) == 3 * 2
    assert {*scores.method} == {name_of(name)}
    found = scores[scores.relevance_total > 0]
    assert len(found) >= 3
    assert found.mass_border.between(0, 1).all()
    maps = pd.read_parquet(out / "attributions")
    assert maps.completeness_error.notna().all() == (name in PROMISE)
    assert maps.heatmap_height.max() <= 56


@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_runs_out_of_memory_gives_the_same_rows(folder, tmp_path, name):
    """The model fails above two images a forward; copies and paths must shrink with the batch."""
    keys = [key.replace("nets:small_vit", "nets:cramped_vit") for key in KEYS.get(name, ())]
    keys = [key.replace("['3','4']", "['body.3','body.4']") for key in keys]
    plain = [f"method={name}", "limit=6"]
    tables = []
    for memory, own in (("plenty", KEYS.get(name, [])), ("little", keys)):
        out = tmp_path / memory
        factory = [] if memory == "plenty" else ["model.factory=tests.methods.nets:cramped_net"]
        result = tiny.audit(
            tiny.overrides(folder, out, *plain, *factory, *own, "compute.batch_size=8")
        )
        assert result.returncode == 0, result.stderr
        tables.append(pd.read_parquet(out / "scores"))
    counts = json.loads((tmp_path / "little" / "run.json").read_text())["counts"]
    assert counts["ok"] == 6
    assert counts["oom_retries"] > 0
    pd.testing.assert_frame_equal(*tables, atol=1e-4, rtol=1e-3)


def test_several_in_one_pass_are_the_rows_of_each_alone(folder, tmp_path):
    names = ["gradcam", "occlusion", "saliency"]
    together = tmp_path / "together"
    result = tiny.audit(tiny.overrides(folder, together, f"methods=[{','.join(names)}]", "limit=6"))
    assert result.returncode == 0, result.stderr
    whole = pd.read_parquet(together / "scores")
    # A method of many forwards has parts of its own, after the pass that the others share.
    assert list(whole.method.unique()) == ["gradcam", "saliency", "occlusion"]
    for name in names:
        alone = tmp_path / name
        arguments = tiny.overrides(folder, alone, f"method={name}", "limit=6")
        assert tiny.audit(arguments).returncode == 0
        pd.testing.assert_frame_equal(
            whole[whole.method == name].reset_index(drop=True),
            pd.read_parquet(alone / "scores"),
            atol=1e-5,
            check_dtype=False,  # a column with a null in one of them
        )


def test_an_audit_with_methods_on_grids_of_their_own(two_methods):
    """All stages; evidence asks attention of each method, reliance once."""
    out = two_methods
    assert json.loads((out / "run.json").read_text())["counts"]["ok"] == 18
    evidence = pd.read_parquet(out / "evidence.parquet")
    assert {*evidence.method} == {"gradcam", "saliency"}
    by_method = evidence.set_index(["class_name", "cue"]).groupby("method")
    one, two = (by_method.get_group(name) for name in ("gradcam", "saliency"))
    pd.testing.assert_series_equal(one.reliance, two.reliance)
    assert two.attention.notna().any()


def test_an_unknown_layer_is_one_line(folder, tmp_path):
    arguments = tiny.overrides(folder, tmp_path / "out", "method.layers=[layer9]")
    result = tiny.audit(arguments)
    assert result.returncode == 2
    assert "no such layer" in result.stderr
    assert "layer9" in result.stderr
