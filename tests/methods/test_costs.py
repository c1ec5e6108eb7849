"""The forwards that ``xai-audit methods`` says a method takes are those that it takes."""

from __future__ import annotations

import re

import pytest
import torch
import yaml

from tests import tiny
from tests.methods.asking import CONF, METHODS, loaded, method, request
from tests.methods.nets import small_vit
from xai_audit.config.costs import forwards_of
from xai_audit.verbs.methods import described

NETS = {"attention_rollout": small_vit, "attention_gradient_rollout": small_vit}
SAID = {name: described(CONF / f"{name}.yaml") for name in METHODS}
# Those that say a number.
COUNTED = [name for name in METHODS if re.fullmatch(r"[\d.+/² ]+", SAID[name]["forwards"])]
assert len(COUNTED) >= 20


@pytest.mark.parametrize("name", COUNTED)
def test_forwards(name, monkeypatch):
    torch.manual_seed(0)
    model, seen = loaded(NETS.get(name, tiny.net)(), 64), []
    model.module.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    gradients, plain = [], torch.autograd.grad
    monkeypatch.setattr(
        torch.autograd, "grad", lambda *a, **k: gradients.append(1) or plain(*a, **k)
    )
    keys = {"seed": 0} if "seed" in (CONF / f"{name}.yaml").read_text() else {}
    if name == "feature_ablation":
        keys["superpixels"] = "grid"  # slic finds fewer pieces in noise
    asked = request(model, torch.randn(1, 3, 64, 64), torch.tensor([1]), max_batch=64)
    assert asked.logits is not None
    method(name, **keys).attribute(asked)
    said = eval(SAID[name]["forwards"].replace("²", "**2"))  # noqa: S307 - sums of our own files
    # The photo itself goes through once for the predictions, once more where a layer is read.
    assert said == pytest.approx(sum(seen), abs=1.1 if name != "feature_ablation" else 6)
    if SAID[name]["needs"] in ("attention", "activations", "forwards only"):
        assert not gradients
    else:
        assert gradients


@pytest.mark.parametrize(
    ("name", "keys", "forwards"),
    [
        ("lime", {"samples": 200}, 201),
        ("occlusion", {"stride": 0.25}, 17),
        ("gradcam", {}, 1),
        ("scorecam", {}, None),
        ("gradcam", {"_target_": "mine.GradCam"}, None),
    ],
)
def test_forwards_are_those_of_the_keys_given(name, keys, forwards):
    node = yaml.safe_load((CONF / f"{name}.yaml").read_text()) | keys
    assert forwards_of(node) == forwards


def test_the_log_says_before_the_pass_what_it_takes(folder, tmp_path):
    more = ("methods=[gradcam,lime,scorecam]", "method_args.lime.samples=20", "limit=3")
    done = tiny.audit(tiny.overrides(folder, tmp_path / "out", *more))
    assert done.returncode == 0, done.stderr
    line = (
        "attribute: forwards a photo: gradcam 1, lime 21, scorecam ?; at most about 66 for 3 "
        "photos, those of ? not counted"
    )
    lines = [each.split(" ", 1)[-1] for each in done.stderr.splitlines()]
    at = lines.index(line)
    assert not [each for each in lines[:at] if each.startswith("attribute: 3 of 3")]
    again = tiny.audit(tiny.overrides(folder, tmp_path / "out", *more))
    assert "forwards a photo" not in again.stderr
    one = tiny.audit(tiny.overrides(folder, tmp_path / "one", "limit=3"))
    assert "forwards a photo" not in one.stderr
