"""The demo's classifier as a model plugin."""

from __future__ import annotations

from pathlib import Path

import torch

from xai_audit.demo.net import flower_net
from xai_audit.types import ModelSpec, Preprocess

WEIGHTS = Path(__file__).parent / "flower_net.pt"
# The whole photo is seen: a centre crop would cut the photo frame away that the demo is about.
PREPROCESS = Preprocess(resize=224, crop=(224, 224))


def build(*, num_classes_of_dataset: int, name: str, target_layer: str | None) -> ModelSpec:
    """The shipped flower classifier with its weights."""
    module = flower_net(num_classes_of_dataset)
    state = torch.load(WEIGHTS, map_location="cpu", weights_only=True)
    module.load_state_dict({key: value.float() for key, value in state.items()})
    return ModelSpec(module, PREPROCESS, name, target_layer)
