"""The model as a function of a photo's pixels, and the margin of its decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from xai_audit.errors import ModelError, is_out_of_memory
from xai_audit.network.inputs import Inputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from xai_audit.types import LoadedModel


class Decision:
    """The decision of a frozen model on pixels, its margin and the margin's gradient.

    Always in float32: the changes sought are smaller than what bf16 keeps of a pixel, and the
    gradient of a narrow margin is smaller than what fp16 keeps.

    Args:
        model: frozen.
        check: called before every forward; may raise to stop.
    """

    def __init__(self, model: LoadedModel, check: Callable[[], None]) -> None:
        self.device = model.device
        self._module, self._inputs, self._check = model.module, Inputs(model, "fp32"), check
        self.forwards = 0

    def logits(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, K) float32 of pixels (B, C, H, W) float32, 0..255."""
        with torch.no_grad():
            return self._forward(pixels)

    def flips(self, pixels: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        """(B,) bool: whether another output is above ``kept`` (B,)."""
        return margin(self.logits(pixels), kept) < 0

    def slope(self, pixels: torch.Tensor, kept: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The margin of ``kept`` (B,) and its gradient (B, C, H, W) by the pixels, both finite.

        0 where the outputs have no gradient at the pixels; nothing is left in ``.grad``.

        Raises:
            ModelError: an operation of the model has no derivative.
        """
        leaf = pixels.detach().requires_grad_()
        with torch.enable_grad():
            found = margin(self._forward(leaf), kept)
        if not found.requires_grad:
            return found.nan_to_num(), torch.zeros_like(pixels)
        try:
            (gradient,) = torch.autograd.grad(found.sum(), leaf, allow_unused=True)
        except RuntimeError as exc:
            if is_out_of_memory(exc):
                raise
            raise ModelError(
                "the model has no gradient by its input",
                where="adversarial",
                got=str(exc)[:200],
                remedy="adversarial.images=0",
            ) from exc
        gradient = torch.zeros_like(pixels) if gradient is None else gradient
        return found.detach().nan_to_num(), gradient.nan_to_num(0, 0, 0)

    def _forward(self, pixels: torch.Tensor) -> torch.Tensor:
        self._check()
        self.forwards += len(pixels)
        logits: torch.Tensor = self._module(self._inputs.of_pixels(pixels))
        return logits.float()


def margin(logits: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """(B,) logit of ``kept`` (B,) minus the largest other of ``logits`` (B, K); flipped below 0.

    This is the loss of the attacks: unlike that of cross entropy, its gradient does not vanish
    where the model is confident. Source: Carlini and Wagner 2017, f_6.
    """
    rest = logits.scatter(1, kept[:, None], -torch.inf)
    return logits.gather(1, kept[:, None])[:, 0] - rest.amax(1)


def runner_up(logits: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """(B,) int64, the strongest output of ``logits`` (B, K) that is not ``kept`` (B,)."""
    return logits.scatter(1, kept[:, None], -torch.inf).argmax(1)
