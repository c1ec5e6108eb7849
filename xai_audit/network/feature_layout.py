"""The layout of the positions of a layer's output: feature maps, channels last, or tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# Class, distillation and register tokens that may stand before the patches.
_MOST_PREFIX = 8


@dataclass(frozen=True)
class Layout:
    """The layout of the positions of an output.

    Attributes:
        kind: ``map`` for (B, C, h, w), ``last`` for (B, h, w, C), ``tokens`` for (B, N, C).
        prefix: tokens before the patches.
        patches: (h, w) of the tokens; None for other kinds.
    """

    kind: str
    prefix: int = 0
    patches: tuple[int, int] | None = None

    def grid(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """(h, w) of an output of ``shape``."""
        if self.patches is not None:
            return self.patches
        return (shape[2], shape[3]) if self.kind == "map" else (shape[1], shape[2])


MAP, LAST = Layout("map"), Layout("last")


def layout_of(shape: tuple[int, ...], side: tuple[int, int]) -> Layout | None:
    """The layout of a float output, None where it has but one position.

    Args:
        shape: of the output, the batch first.
        side: (H, W) of the input.
    """
    if len(shape) == 4:
        if _is_last(shape, side):
            return LAST
        return MAP if shape[2] * shape[3] > 1 else None
    if len(shape) != 3:
        return None
    for prefix in range(min(_MOST_PREFIX, shape[1])):
        patches = _patches(shape[1] - prefix, side)
        if patches is not None:
            return Layout("tokens", prefix, patches)
    return None


def _is_last(shape: tuple[int, ...], side: tuple[int, int]) -> bool:
    """Whether (B, a, b, c) is (B, h, w, C): a and b have the input's aspect, b and c do not."""
    return shape[1] > 1 and _fits(shape[1], shape[2], side) and not _fits(shape[2], shape[3], side)


def _fits(height: int, width: int, side: tuple[int, int]) -> bool:
    return abs(height * side[1] - width * side[0]) <= max(side)


def _patches(count: int, side: tuple[int, int]) -> tuple[int, int] | None:
    """(h, w) of ``count`` > 1 patches that cover an input of ``side``, None where none does."""
    height = round((count * side[0] / side[1]) ** 0.5)
    if count < 2 or height < 1 or count % height:
        return None
    width = count // height
    # A patch is square, but for what the stride leaves over.
    return (height, width) if abs(height * side[1] - width * side[0]) < max(side) else None


def as_map(output: torch.Tensor, layout: Layout) -> torch.Tensor:
    """(B, C, h, w) of an output or of a gradient there; tokens before the patches are left out."""
    if layout.kind == "map":
        return output
    if layout.patches is None:
        return output.permute(0, 3, 1, 2)
    patches = output[:, layout.prefix :].mT
    return patches.reshape(*patches.shape[:2], *layout.patches)
