"""DeepLIFT, rescale rule: at each nonlinearity the slope from the baseline, not the gradient.

Source: Shrikumar, Greenside and Kundaje 2017, equation 13; by backpropagation as in Ancona et al.
2018. Image and baseline go through the model together. Products of two activations (squeeze-excite,
attention) and max pooling keep their gradient; the completeness error shows the resulting error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from xai_audit.methods._gradients import each_gradient
from xai_audit.methods._limits import one_of
from xai_audit.methods._rewired import NONLINEAR, Rewired, check_same
from xai_audit.network.copies import BASELINES, baseline
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from collections.abc import Callable

    from xai_audit.types import Request

# For inputs closer than this the gradient replaces the slope (Captum's limit).
_NEAR = 1e-10


class DeepLift:
    """DeepLIFT.

    Args:
        name: of the method.
        sign: ``positive`` or ``absolute``.
        baseline: ``black``, ``mean``, ``blur``, ``random`` or ``photo``.
        seed: of the run.
    """

    def __init__(self, *, name: str, sign: str, baseline: str, seed: int) -> None:
        self.name, self.sign, self._seed = name, sign, seed
        self._baseline = one_of(name, "baseline", baseline, BASELINES)

    def attribute(self, request: Request) -> Attribution:
        """Maps (B, T, H, W), and how far their sum is from score(image) - score(baseline)."""
        found = [
            self._of(request, image) for image in _halves(len(request.images), request.max_batch)
        ]
        maps, errors = zip(*found, strict=True)
        return Attribution(torch.cat(maps), torch.cat(errors))

    def _of(self, request: Request, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps (b, T, H, W) and completeness errors (b, T) of some images."""
        rows = rows.to(request.images.device)
        images = request.images[rows]
        start = baseline(self._baseline, request, self._seed)[rows]
        both = torch.cat([images, start]).contiguous(memory_format=torch.channels_last)
        both.requires_grad_()
        with torch.enable_grad(), Rewired(NONLINEAR, _rescale):
            logits = request.model.module(both)
        check_same(self.name, request.logits[rows], logits[: len(rows)].detach())
        targets = [target.of(rows) for target in request.targets]
        scored = [[target.score(half) for half in logits.chunk(2)] for target in targets]
        # The baseline's own score must get a multiplier as well: both halves share each slope.
        slopes = each_gradient([after.sum() + before.sum() for after, before in scored], [both])
        maps = [(slope[: len(rows)].float() * (images - start)).sum(1) for (slope,) in slopes]
        changes = [(after - before).detach().float() for after, before in scored]
        stacked = torch.stack(maps, 1)
        return stacked, stacked.sum((2, 3)) - torch.stack(changes, 1)


def _halves(count: int, max_batch: int) -> list[torch.Tensor]:
    """Rows of 0..count in pieces, so that images plus baselines do not exceed ``max_batch``."""
    return list(torch.split(torch.arange(count), max(max_batch // 2, 1)))


def _rescale(make: Callable[[torch.Tensor], torch.Tensor], given: torch.Tensor) -> torch.Tensor:
    if not given.requires_grad:  # a constant of the model, not what it computes of the images
        return make(given)
    with torch.enable_grad():
        leaf = given.detach().requires_grad_()
        made = make(leaf)
        local = torch.autograd.grad(made.sum(), leaf)[0]
    result: torch.Tensor = _Rescale.apply(given, made.detach(), local)
    return result


class _Rescale(torch.autograd.Function):
    """A nonlinearity with a backward by the slope between the batch's halves (image, baseline)."""

    @staticmethod
    def forward(  # noqa: D102 - torch's own protocol
        ctx: Any,  # noqa: ANN401
        given: torch.Tensor,
        made: torch.Tensor,
        local: torch.Tensor,
    ) -> torch.Tensor:
        (x, x0), (y, y0), (g, _) = (each.chunk(2) for each in (given, made, local))
        near = (x - x0).abs() < _NEAR
        slope = torch.where(near, g, (y - y0) / torch.where(near, 1.0, x - x0))
        ctx.save_for_backward(slope)
        return made.view_as(made)

    @staticmethod
    def backward(  # noqa: D102 - torch's own protocol
        ctx: Any,  # noqa: ANN401
        gradient: torch.Tensor,
    ) -> tuple[torch.Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return gradient * torch.cat([slope, slope]), None, None
