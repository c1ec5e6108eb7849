"""What the user's own model raises is one line with its images; memory and our own bugs are not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests import tiny
from xai_audit.errors import ConfigError, PluginError
from xai_audit.network.inputs import model_errors


class Raising(nn.Module):
    """Raises ``error`` on a batch, or on what looks like ``dark`` photos."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.body, self.error = tiny.net(), error

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > 1:
            raise self.error
        return self.body(images)


class InPlace(nn.Module):
    """Overwrites what its backward needs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = self.second(self.first(images)).exp()
        total = hidden.mean((2, 3))
        hidden.mul_(2)
        return total


IMAGES = torch.zeros(2, 3, 64, 64)


@pytest.mark.parametrize(
    "error", [ValueError("on\npurpose"), RuntimeError("mat1"), KeyError("x"), StopIteration()]
)
def test_a_raising_forward_names_its_images(error):
    module = Raising(error)
    ids = [f"{i}.jpg" for i in range(5)]
    with pytest.raises(PluginError) as caught, model_errors(module, ids):
        module(IMAGES)
    line = str(caught.value)
    assert line.startswith("the model failed: 0.jpg, 1.jpg, 2.jpg and 2 more | got ")
    assert f"got {type(error).__name__}: " in line
    assert "\n" not in line
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        ConfigError("of ours"),
    ],
)
def test_memory_and_errors_of_ours_pass(error):
    module = Raising(error)
    with pytest.raises(type(error)) as caught, model_errors(module, ["0.jpg"]):
        module(IMAGES)
    assert caught.value is error


def test_what_the_model_did_not_raise_passes():
    module = tiny.net()
    module(IMAGES)
    with pytest.raises(ZeroDivisionError), model_errors(module, ["0.jpg"]):
        _ = 1 / 0


def test_a_backward_that_fails_is_the_models():
    images = torch.randn(2, 3, 16, 16, requires_grad=True)
    module = InPlace()
    with (
        pytest.raises(PluginError, match=r"a\.jpg, b\.jpg \| got RuntimeError: .*inplace"),
        model_errors(module, ["a.jpg", "b.jpg"]),
    ):
        torch.autograd.grad(module(images).sum(), images)


@pytest.mark.parametrize("stage", ["attribute", "evidence"])
def test_a_run_ends_with_one_line(folder, tmp_path, monkeypatch, stage):
    arguments = tiny.overrides(folder, tmp_path / "out", "compute.batch_size=4")
    if stage == "attribute":
        arguments += ["model.factory=tests.tiny:failing_net"]
    else:
        fails = "xai_audit.evidence.transplant.Inputs.normalised"
        first = tiny.audit(arguments)
        assert first.returncode == 0, first.stderr
        # The model's own convolution refuses what is no image.
        monkeypatch.setattr(fails, lambda _self, views: views.float()[:, :2])
        arguments += ["stages=[discover,evidence]"]
    result = tiny.audit(arguments)
    assert result.returncode == 1
    told = [line for line in result.stderr.splitlines() if "xai_audit: the model failed: " in line]
    assert len(told) == 1
    assert "circle/0000.jpg" in told[0]
    assert "Traceback" not in result.stderr
