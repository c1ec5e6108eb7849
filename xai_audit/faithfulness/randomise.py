"""The model with random weights: maps that stay the same do not show what it has learned.

Source: Adebayo et al. 2018, "Sanity checks for saliency maps", cascading randomisation.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.stats import rankdata

from xai_audit.run.sample import seed_of
from xai_audit.statistics.placements import rank_correlations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xai_audit.types import LoadedModel

# Share of the layers that are randomised, counted from the outputs; 0: the last one alone.
DEPTHS: Mapping[str, float] = {"head": 0.0, "half": 0.5, "all": 1.0}


def randomised(
    model: LoadedModel, depth: str, *, layers: Sequence[str], draw: int, seed: int
) -> LoadedModel:
    """A copy of ``model`` with random weights in its layers, from the outputs down to ``depth``.

    Every tensor of a layer becomes normal noise of its own mean and standard deviation, so that
    activations keep their scale, with batch norm folded or not; for a constant tensor its size is
    the standard deviation. Buffers stay.

    Args:
        model: not changed.
        depth: one of DEPTHS.
        layers: all of them, of :func:`layers_of`.
        draw: its number.
        seed: of the run.
    """
    module = copy.deepcopy(model.module)
    count = max(round(DEPTHS[depth] * len(layers)), 1)
    with torch.no_grad():
        for name in layers[-count:]:
            for number, tensor in enumerate(module.get_submodule(name).parameters(recurse=False)):
                if tensor.is_floating_point():
                    _draw(tensor, seed_of(seed, "weights", draw, name, number))
    return replace(model, module=module)


def _draw(tensor: torch.Tensor, seed: int) -> None:
    mean, spread = float(tensor.mean()), float(tensor.std(correction=0))
    # On the CPU: the same numbers whatever the device and the memory format.
    noise = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(seed))
    tensor.copy_(noise.mul_(spread or abs(mean)).add_(mean))


def layers_of(model: LoadedModel) -> list[str]:
    """Names of the modules that own weights, in the order in which a forward runs them.

    A module that is not called itself (a projection, used by its parent) has its parent's place.
    """
    names = {layer: name for name, layer in model.module.named_modules()}
    ran: dict[str, int] = {}

    def note(layer: torch.nn.Module, _inputs: object) -> None:
        ran.setdefault(names[layer], len(ran))

    handles = [layer.register_forward_pre_hook(note) for layer in names]
    size = (1, len(model.preprocess.mean), *model.preprocess.crop)
    try:
        with torch.no_grad():
            model.module(torch.zeros(size, device=model.device))
    finally:
        for handle in handles:
            handle.remove()

    def place(name: str) -> int:
        while name not in ran and name:
            name = name.rpartition(".")[0]
        return ran.get(name, 0)

    owners = [name for layer, name in names.items() if [*layer.parameters(recurse=False)]]
    return sorted(owners, key=place)


def similarity(maps: torch.Tensor, others: torch.Tensor) -> NDArray[np.float64]:
    """The absolute rank correlation (B,) of maps (B, h, w) with ``others``; NaN for a flat map.

    It is absolute since a map and its negative mark the same places.
    """
    return np.abs(rank_correlations(_ranks(maps), _ranks(others)))


def _ranks(maps: torch.Tensor) -> NDArray[np.float64]:
    values = maps.flatten(1).double().cpu().numpy()
    ranks: NDArray[np.float64] = rankdata(values, axis=1)
    ranks[~np.isfinite(values).all(1)] = np.nan
    return ranks
