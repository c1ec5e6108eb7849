"""The function that a network ends in: its outputs alone do not tell probabilities from logits."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import torch

from xai_audit.network.black_box import BlackBox

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)

# Names of the nodes of autograd's graph, without their ending.
_NUMBERED = re.compile(r"Backward\d*$")
_FUNCTIONS = {"Sigmoid": "sigmoid", "Softmax": "softmax"}
_LAYERS = {"Addmm", "Mm", "Bmm", "Baddbmm", "Linear", "Convolution"}
# Those that only pick, move or convert numbers.
_PASSING = {"View", "UnsafeView", "ReshapeAlias", "Alias", "AsStrided", "Squeeze", "Unsqueeze",
            "Select", "Slice", "Index", "Split", "Unbind", "Permute", "Transpose", "T", "Expand",
            "Clone", "ToCopy"}  # fmt: skip


def ending_of(module: nn.Module, probe: torch.Tensor) -> str | None:
    """``sigmoid``, ``softmax`` or ``layer``, which ``module`` computes last; None: not known.

    It is read from autograd's graph of one forward. A module without a graph, as one of outputs
    only, or with another last function, as the mean of several networks, has none that is known.

    Args:
        module: returns a tensor.
        probe: one image (1, C, H, W).
    """
    if isinstance(module, BlackBox):
        return None
    try:
        with torch.enable_grad():
            node = module(probe.clone().requires_grad_()).grad_fn
    # A forward that goes through numpy works without a graph only; the user's may raise anything.
    except Exception as exc:  # noqa: BLE001 - without a graph the outputs must tell
        log.debug("no graph of the forward: %s: %s", type(exc).__name__, exc)
        return None
    while node is not None and _kind(node) in _PASSING:
        node = node.next_functions[0][0]
    if node is None:
        return None
    return "layer" if _kind(node) in _LAYERS else _FUNCTIONS.get(_kind(node))


def _kind(node: torch.autograd.graph.Node) -> str:
    """What a node computes: ``Sigmoid`` of ``SigmoidBackward0``."""
    return _NUMBERED.sub("", node.name())
