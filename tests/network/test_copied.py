"""The user's own model comes back as it was, however the audit ends."""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from tests import tiny
from xai_audit.errors import ModelError
from xai_audit.models.custom import build
from xai_audit.network.copied import copied

if TYPE_CHECKING:
    from collections.abc import Callable

HELD: dict[str, nn.Module] = {}
IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(4))


def held(key: str) -> nn.Module:
    """A factory that hands out a model which lives on."""
    return HELD[key]


def state(module: nn.Module) -> dict[str, object]:
    """Whatever an audit could leave changed, by name."""
    found: dict[str, object] = {}
    for name, layer in module.named_modules():
        hooks = len(layer._forward_hooks), len(layer._forward_pre_hooks), len(layer._backward_hooks)
        found[f"module {name}"] = (id(layer), type(layer), layer.training, hooks)
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        grad = None if tensor.grad is None else tensor.grad.tolist()
        found[name] = (id(tensor), tensor.data_ptr(), tensor.requires_grad, tensor.device,
                       tensor.dtype, tensor.stride(), grad, tensor.tolist())  # fmt: skip
    return found


def trained() -> nn.Module:
    """In train mode, half of it frozen, one gradient filled, in float64, channels_last."""
    module = tiny.net().double().to(memory_format=torch.channels_last).train()
    module[3].eval().requires_grad_(False)
    module[7].weight.grad = torch.ones_like(module[7].weight)
    return module


def hooked() -> nn.Module:
    module = tiny.net()
    module[2].register_forward_hook(lambda *_: None)
    return module


WAYS: dict[str, Callable[[], nn.Module]] = {
    "train": trained,
    "hooked": hooked,
    "failing": lambda: tiny.failing_net().train(),
    "one_logit": lambda: tiny.net(num_classes=1),
    "compiled": lambda: torch.compile(tiny.net().train()),
    "parallel": lambda: nn.DataParallel(tiny.net().train()),
}


@pytest.mark.parametrize("way", WAYS)
def test_after_a_run(way, folder, tmp_path, monkeypatch):
    module = WAYS[way]()
    monkeypatch.setitem(HELD, way, module)
    torch.save(tiny.net(seed=9).state_dict(), tmp_path / "other.pt")
    before = state(module)
    more = [
        "model.factory=tests.network.test_copied:held",
        f"+model.kwargs.key={way}",
        "methods=[gradcam,guided_backprop]",
    ]
    if way == "train":
        # Its weights must not go into the user's model either.
        more.append(f"model.checkpoint={tmp_path / 'other.pt'}")
    result = tiny.audit(tiny.overrides(folder, tmp_path / "out", *more))
    ends = {"failing": 1, "one_logit": 2}  # three classes are no two
    assert result.returncode == ends.get(way, 0), result.stderr
    assert ("are not the model's outputs" in result.stderr) == (way == "one_logit")
    assert ("on purpose" in result.stderr) == (way == "failing")
    assert state(module) == before


def outputs(module: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return module.eval()(IMAGES)


def old_weight_norm() -> nn.Module:
    module = tiny.net()
    with pytest.warns(FutureWarning, match="weight_norm"):
        nn.utils.weight_norm(module[3])
    return module


def inside() -> nn.Module:
    """A compiled part, and a parallel one around it, shared by two places."""
    whole = tiny.net()
    part = nn.DataParallel(torch.compile(nn.Sequential(*whole[:5])))
    model = nn.Module()
    model.body, model.again, model.head = part, part, nn.Sequential(*whole[5:])
    model.__class__ = type("Whole", (nn.Module,), {"forward": lambda s, x: s.head(s.body(x))})
    return model


@pytest.mark.parametrize("make", [tiny.net, trained, old_weight_norm])
def test_a_copy_computes_the_same_and_shares_nothing(make):
    module = make()
    clone = copied(module)
    mine = {t.data_ptr() for t in module.state_dict().values()}
    assert not mine & {t.data_ptr() for t in clone.state_dict().values()}
    images = IMAGES.double() if make is trained else IMAGES
    torch.testing.assert_close(clone.eval()(images), copy.copy(module).eval()(images))


def test_what_stands_around_a_module_is_left_out():
    assert type(copied(torch.compile(nn.DataParallel(tiny.net())))) is nn.Sequential
    clone = copied(inside())
    assert [name for name, _ in clone.named_modules()][:3] == ["", "body", "body.0"]
    assert clone.body is clone.again
    torch.testing.assert_close(outputs(clone), outputs(tiny.net()))


def test_layers_keep_the_names_that_the_user_knows():
    HELD["names"] = torch.compile(tiny.net())
    common = {
        "checkpoint": None, "trust_checkpoint": False, "weights_key": None, "num_classes": None,
        "head": None, "preprocess": {}, "name": None, "target_layer": "4",
    }  # fmt: skip
    spec = build(
        num_classes_of_dataset=3,
        factory="tests.network.test_copied:held",
        kwargs={"key": "names"},
        **common,
    )
    assert spec.module.get_submodule("4") is not HELD.pop("names").get_submodule("_orig_mod.4")


def test_what_cannot_be_copied_is_one_line():
    module = tiny.net()
    module.lock = threading.Lock()
    with pytest.raises(ModelError) as caught:
        copied(module)
    assert "cannot be copied, and the original must not be changed: Sequential" in str(caught.value)
    assert "lock" in str(caught.value)
