"""Gradients that only positive ones pass at every ReLU, for guided backpropagation.

Source: Springenberg et al. 2015, section 3.4. ReLUs are found by what is computed, so that those of
a forward without modules are guided, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from xai_audit.errors import ModelError
from xai_audit.methods._gradients import each_gradient
from xai_audit.methods._rewired import RELUS, Rewired, check_same

if TYPE_CHECKING:
    from collections.abc import Callable

    from xai_audit.types import Request


def guided(request: Request, name: str) -> torch.Tensor:
    """The targets' guided gradients (B, T, C, H, W) float32.

    Raises:
        ModelError: the model has no ReLU, or none that can be followed.
    """
    images = request.images.detach().requires_grad_()
    with torch.enable_grad(), Rewired(RELUS, _guide) as rewired:
        logits = request.model.module(images)
    if not rewired.calls:
        raise ModelError(
            "the model has no ReLU to guide gradients at",
            where=f"method={name}",
            remedy="method=saliency, which the map would be",
        )
    check_same(name, request.logits, logits.detach())
    scores = [target.score(logits).sum() for target in request.targets]
    gradients = each_gradient(scores, [images])
    return torch.stack([gradient.float() for (gradient,) in gradients], 1)


def _guide(make: Callable[[torch.Tensor], torch.Tensor], given: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = _Guide.apply(make(given))
    return result


class _Guide(torch.autograd.Function):
    """Its input; what comes back is cut at 0 (the ReLU itself cuts where its input was not > 0)."""

    @staticmethod
    def forward(ctx: Any, given: torch.Tensor) -> torch.Tensor:  # noqa: ANN401, ARG004 - torch's
        return given.view_as(given)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:  # noqa: ANN401, ARG004
        return gradient.clamp(min=0)
