"""A model of one logit turned into one of two outputs: 0 is the negative class, 1 the positive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn


def is_single(output: torch.Tensor) -> bool:
    """Whether ``output`` of one image is one logit, with or without an axis for it."""
    return output.numel() == 1 and output.ndim <= 2


def as_two(module: nn.Module) -> nn.Module:
    """``module``, changed in place to give (0, z) (B, 2) for its logit z.

    Their softmax is (1 - sigmoid(z), sigmoid(z)). It is done by a hook: a wrapper would change the
    layers' names, and a container would run an added submodule.

    Args:
        module: gives (B, 1), (B,) or, for one image, a number.
    """
    module.register_forward_hook(_two)
    return module


def _two(_module: nn.Module, inputs: tuple[torch.Tensor, ...], z: torch.Tensor) -> torch.Tensor:
    column = z.reshape(len(inputs[0]), 1)
    return torch.cat([torch.zeros_like(column), column], 1)
