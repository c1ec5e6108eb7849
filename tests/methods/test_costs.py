"""The forwards that ``xai-audit methods`` says a method takes are those that it takes."""

from __future__ import annotations

import re

import pytest
import torch

from tests import tiny
from tests.methods.asking import CONF, METHODS, loaded, method, request
from tests.methods.nets import small_vit
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
