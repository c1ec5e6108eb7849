"""The demo's classifier, a model plugin: a small convolutional network with a grid of 14 x 14."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from xai_audit.models._options import Options, finish, load
from xai_audit.types import ModelSpec, Preprocess

INPUT_SIZE = 224
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
WEIGHTS = Path(__file__).with_name("flower_net.pt")
# The whole photo is seen: a centre crop would cut the photo frame away that the demo is about.
PREPROCESS = Preprocess(resize=224, crop=(224, 224))

# Channels and stride of each 3 x 3 layer; 224 -> 112 -> 56 -> 28 -> 14, receptive field 147 pixels.
_LAYERS = ((16, 2), (32, 2), (48, 1), (80, 2), (96, 1), (128, 2), (160, 1), (160, 1))


class FlowerNet(nn.Module):
    """Layers `features` (B, 160, H / 16, W / 16), then average pooling and the linear `head`."""

    def __init__(self, num_classes: int) -> None:
        """Build the layers with fresh weights."""
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width, stride in _LAYERS:
            layers += [
                nn.Conv2d(channels, width, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            channels = width
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K) of normalised images (B, 3, H, W) float32."""
        pooled = self.pool(self.features(images)).flatten(1)
        logits: torch.Tensor = self.head(pooled)
        return logits


def flower_net(num_classes: int = 10) -> nn.Module:
    """Return the untrained network for images (B, 3, H, W); it is made for whole photos at 224."""
    return FlowerNet(num_classes)


def load_flower_net(weights: Path = WEIGHTS) -> nn.Module:
    """Return the shipped network in float32 and evaluation mode."""
    state = torch.load(weights, map_location="cpu", weights_only=True)
    model = flower_net(int(state["head.bias"].numel()))
    model.load_state_dict(
        {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    )
    return model.eval()


def save_flower_net(model: nn.Module, path: Path) -> None:
    """Write the network's weights as float16, which halves the file."""
    state = {
        key: value.half() if value.is_floating_point() else value
        for key, value in model.state_dict().items()
    }
    torch.save(state, path)


def build(
    *, num_classes_of_dataset: int, checkpoint: str | None, name: str, target_layer: str | None
) -> ModelSpec:
    """The flower classifier with the weights of a checkpoint, else with those that ship.

    Raises:
        ModelError: the checkpoint cannot be read, or is of another network.
    """
    options = Options(
        checkpoint=checkpoint or str(WEIGHTS),
        trust_checkpoint=False,
        weights_key=None,
        num_classes=num_classes_of_dataset,
        target_layer=target_layer,
        head=None,
        preprocess={},
        name=name,
    )
    module = flower_net(num_classes_of_dataset)
    load(module, options)
    return finish(module, options, base=PREPROCESS, name=name)
