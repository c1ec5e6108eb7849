"""The model with random weights: maps that stay the same do not tell what it has learned.

Source: Adebayo et al. 2018, "Sanity checks for saliency maps", cascading randomisation.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.stats import rankdata

from xai_audit.methods.seeds import seed_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from xai_audit.types import LoadedModel

# Share of the layers that are randomised, counted from the outputs; 0: the last one alone.
DEPTHS: Mapping[str, float] = {"head": 0.0, "half": 0.5, "all": 1.0}


def randomised(model: LoadedModel, depth: str, seed: int) -> LoadedModel:
    """A copy of ``model`` whose layers are drawn anew from the outputs down to ``depth``.

    Every tensor of a layer becomes normal noise of its own mean and standard deviation, so that
    activations keep their scale, with batch norm folded or not. Buffers stay.

    Args:
        model: stays as it is.
        depth: one of DEPTHS; layers count in the order in which the model defines them.
        seed: of the run.
    """
    module = copy.deepcopy(model.module)
    layers = [
        tensors
        for _, layer in module.named_modules()
        if (tensors := [t for t in layer.parameters(recurse=False) if t.is_floating_point()])
    ]
    count = max(round(DEPTHS[depth] * len(layers)), 1)
    with torch.no_grad():
        for place, tensors in enumerate(layers[-count:], len(layers) - count):
            for number, tensor in enumerate(tensors):
                generator = torch.Generator(tensor.device).manual_seed(
                    seed_of(seed, "weights", place, number)
                )
                mean, spread = float(tensor.mean()), float(tensor.std(correction=0))
                tensor.normal_(mean, spread, generator=generator)
    return replace(model, module=module)


def similarity(maps: torch.Tensor, others: torch.Tensor) -> NDArray[np.float64]:
    """Spearman's rank correlation (B,) of maps (B, h, w) with ``others``; NaN of a flat one."""
    first, second = (_ranks(each) for each in (maps, others))
    first, second = (each - each.mean(1, keepdims=True) for each in (first, second))
    with np.errstate(invalid="ignore", divide="ignore"):
        found: NDArray[np.float64] = (first * second).sum(1) / np.sqrt(
            (first**2).sum(1) * (second**2).sum(1)
        )
    return found


def _ranks(maps: torch.Tensor) -> NDArray[np.float64]:
    ranks: NDArray[np.float64] = rankdata(maps.flatten(1).double().cpu().numpy(), axis=1)
    ranks[~np.isfinite(maps.flatten(1).cpu().numpy()).all(1)] = np.nan
    return ranks
