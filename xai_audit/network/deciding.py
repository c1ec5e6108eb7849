"""The last layer of a transformer whose patches affect the output.

After the last attention only the class token does.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import torch

from xai_audit.network.feature_layout import as_map

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from xai_audit.network.feature_layout import Layout

# Layers tried: about two blocks of a transformer.
_LOOK_BACK = 32


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
