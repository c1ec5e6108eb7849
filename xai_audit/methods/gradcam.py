"""Grad-CAM: activations of the target layer weighted by their mean gradient.

Source: Selvaraju et al. 2017, equations 1 and 2.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import torch

from xai_audit.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from xai_audit.types import AttributeBatch, LoadedModel, Target


class GradCam:
    """Grad-CAM with the graph cut at the target layer.

    Everything before the layer runs without a graph, so its activations are freed as in plain
    inference, and predictions and every target come from the same forward.

    Args:
        name: of the method.
        sign: ``positive`` is the paper's ReLU.
    """

    def __init__(self, *, name: str, sign: str) -> None:
        self.name, self.sign = name, sign

    @contextmanager
    def bound(self, model: LoadedModel) -> Iterator[AttributeBatch]:
        """The method on ``model``; a hook lives for one forward, so methods do not meet."""
        yield partial(_attribute, model)


def _attribute(
    model: LoadedModel,
    images: torch.Tensor,
    targets: Callable[[torch.Tensor], Sequence[Target]],
    image_ids: Sequence[str],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (B, K) and signed maps (B, T, h, w)."""
    del image_ids  # nothing random here
    with torch.enable_grad():
        logits, activations = _cut_forward(model, images)
        scores = [target.score(logits).sum() for target in targets(logits.detach())]
    maps = []
    while scores:
        score = scores.pop(0)
        gradient = _gradient(model, score, activations, keep=bool(scores))
        maps.append(_cam(activations.detach(), gradient))
    return logits.detach(), torch.stack(maps, dim=1)


def _gradient(
    model: LoadedModel, score: torch.Tensor, activations: torch.Tensor, *, keep: bool
) -> torch.Tensor:
    try:
        return torch.autograd.grad(score, activations, retain_graph=keep)[0]
    except RuntimeError as exc:
        if not any(sign in str(exc) for sign in ("does not require grad", "not have been used")):
            raise
        raise ModelError(
            "the outputs do not depend on the target layer by gradient",
            where=model.target_layer,
            remedy="take no_grad and detach out of the model's forward, or choose another "
            "model.target_layer",
        ) from exc


def _cut_forward(model: LoadedModel, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits whose graph begins at the target layer, and the layer's activations, a leaf."""
    kept: list[torch.Tensor] = []

    def cut(_module: torch.nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        kept.append(output.detach().requires_grad_())
        # A copy goes on: an in-place ReLU right behind the layer must not overwrite ours.
        return kept[-1].clone()

    handle = model.module.get_submodule(model.target_layer).register_forward_hook(cut)
    try:
        logits = model.module(images)
    finally:
        handle.remove()
    return logits, kept.pop()


def _cam(activations: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Signed map (B, h, w): channels of (B, C, h, w) summed with their mean gradient."""
    weight = gradient.mean(dim=(2, 3), dtype=torch.float32)
    return torch.einsum("bc,bchw->bhw", weight, activations.float())
