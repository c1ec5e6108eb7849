"""The layer that is found where a network uses a layer in several places, or pools before it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.methods.asking import loaded, maps, request
from xai_audit.errors import ModelError


class Swish(nn.Module):
    """An activation that makes a new tensor, as packages of EfficientNets have it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * x.sigmoid()


class Block(nn.Module):
    """Expand, gate by squeeze and excitation, project; its activation is the network's own."""

    def __init__(self, channels: int, act: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn = nn.BatchNorm2d(channels)
        self.reduce, self.expand = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1)
        self.act = act

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.act(self.bn(self.conv(x)))
        gate = self.expand(self.act(self.reduce(y.mean((2, 3), keepdim=True))))
        return x + gate.sigmoid() * y


class SharedActivation(nn.Module):
    """One activation module for stem, blocks and head, as in ``efficientnet_pytorch``."""

    def __init__(self, act: nn.Module | None = None) -> None:
        super().__init__()
        self.act = Swish() if act is None else act
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList([Block(8, self.act), Block(8, self.act)])
        self.conv_head, self.bn_head = nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.stem(x))
        for block in self.blocks:
            x = block(x)
        x = self.act(self.bn_head(self.conv_head(x)))
        return self.fc(self.pool(x).flatten(1))


class PooledHead(SharedActivation):
    """Pools before its last convolutions, as MobileNetV3 does; the last of them gives logits."""

    def __init__(self) -> None:
        super().__init__()
        self.late, self.logits = nn.Conv2d(8, 16, 1), nn.Conv2d(16, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return self.logits(self.act(self.late(self.pool(x)))).flatten(1)


class ReusedConvolution(nn.Module):
    """Applies its last convolution and activation three times."""

    def __init__(self, *, held: bool = False) -> None:
        super().__init__()
        self.act = nn.ReLU()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Softplus())
        self.refine = nn.Conv2d(8, 8, 3, padding=1)
        self.body = Times(self.refine, self.act) if held else None
        self.fc = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        if self.body is not None:
            return self.fc(self.body(x).mean((2, 3)))
        for _ in range(3):
            x = self.act(self.refine(x))
        return self.fc(x.mean((2, 3)))


class Times(nn.Module):
    """Applies its layers three times and runs itself but once."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            x = self.layers(x)
        return x


@pytest.mark.parametrize(
    ("module", "layer", "grid"),
    [
        (SharedActivation, "bn_head", 8),
        # In place it returns the batch norm's own tensor.
        (lambda: SharedActivation(nn.ReLU(inplace=True)), "bn_head", 8),
        (PooledHead, "blocks.1", 8),
        (ReusedConvolution, "stem", 16),
        (lambda: ReusedConvolution(held=True), "body", 16),
    ],
)
def test_the_last_layer_with_a_grid_that_runs_once(module, layer, grid):
    torch.manual_seed(0)
    model = loaded(module(), 16)
    assert (model.target_layer, model.grid) == (layer, (grid, grid))


@pytest.mark.parametrize("module", [SharedActivation, PooledHead, ReusedConvolution])
def test_the_maps_at_that_layer_are_grad_cam_s(module):
    """Computed anew from the network cut in two at the layer, in float64."""
    torch.manual_seed(0)
    model = loaded(module(), 16)
    images, labels = torch.randn(2, 3, 16, 16), torch.tensor([1, 4])
    found = maps("gradcam", request(model, images, labels))
    kept: list[torch.Tensor] = []

    def cut(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[0]

    net = model.module.double()
    with torch.enable_grad():
        handle = net.get_submodule(model.target_layer).register_forward_hook(cut)
        logits = net(images.double())
        handle.remove()
        (gradient,) = torch.autograd.grad(logits.gather(1, labels[:, None]).sum(), kept)
    expected = (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1)
    assert expected.abs().max() > 0
    torch.testing.assert_close(found[:, 0].double(), expected.detach(), rtol=1e-3, atol=1e-6)


def test_where_no_layer_runs_once_the_line_says_so():
    class Only(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.conv(self.conv(x)).mean((2, 3)))

    with pytest.raises(ModelError) as caught:
        loaded(Only(), 16)
    assert "no layer to explain was found: Only" in str(caught.value)
    assert "of a layer that runs once | got (1, 3, 16, 16) from conv, which runs 2 times | remedy: "
