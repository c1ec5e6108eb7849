"""The layout of the positions of a layer's output: feature maps, channels last, or tokens.

After the last attention of a transformer only the class token affects the output, so the last layer
that can be explained is found by its gradient.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

# Class, distillation and register tokens that may stand before the patches.
_MOST_PREFIX = 8
# Layers tried: about two blocks of a transformer.
_LOOK_BACK = 32


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


def deciding(
    module: nn.Module, probe: torch.Tensor, layouts: Mapping[str, Layout], head: str | None
) -> str | None:
    """The last layer with a gradient of the classifier's input at most positions, or None.

    Args:
        module: in eval mode.
        probe: one image (1, C, H, W).
        layouts: of the layers, in the order in which they run.
        head: the layer that makes the class scores, None where it is not known.
    """
    names = [*layouts][-_LOOK_BACK:]
    outputs, read = _forward(module, probe, names, head)
    reached = [name for name in names if outputs[name].requires_grad]
    if not reached or not read.requires_grad:
        return None
    # The sum of a normalised output is constant, and so is the sum of its squares.
    uneven = torch.arange(read.numel(), device=read.device).sin().view_as(read)
    wanted = [outputs[name] for name in reached]
    found = torch.autograd.grad((read * uneven).sum(), wanted, allow_unused=True)
    for name, gradient in reversed([*zip(reached, found, strict=True)]):
        if gradient is not None:
            strength = as_map(gradient, layouts[name]).abs().sum(1)
            if float((strength > 0).float().mean()) > 0.5:
                return name
    return None


def _forward(
    module: nn.Module, probe: torch.Tensor, names: list[str], head: str | None
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Outputs of the layers ``names``, and what ``head`` reads (else the scores), with a graph."""
    outputs: dict[str, torch.Tensor] = {}
    entered: list[torch.Tensor] = []
    with ExitStack() as hooks, torch.enable_grad():
        for name in names:
            handle = module.get_submodule(name).register_forward_hook(
                lambda _, __, output, name=name: outputs.update({name: output})
            )
            hooks.callback(handle.remove)
        if head is not None:
            # Not the scores: a head may have been initialised with zeros.
            handle = module.get_submodule(head).register_forward_pre_hook(
                lambda _, inputs: entered.append(inputs[0])
            )
            hooks.callback(handle.remove)
        scores: torch.Tensor = module(probe.detach().requires_grad_())
    return outputs, entered[-1] if entered else scores
