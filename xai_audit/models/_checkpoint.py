"""A state dict into a module, or one line that says which names or shapes do not fit."""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from xai_audit.errors import ModelError
from xai_audit.store.address import spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import nn

log = logging.getLogger(__name__)

# Counters that no forward in eval mode reads.
_COUNTERS = ("num_batches_tracked", "n_averaged")


def load_into(
    module: nn.Module,
    given: Mapping[str, torch.Tensor],
    file: Path,
    *,
    ignore: tuple[str, ...] = (),
) -> None:
    """Give ``module`` the weights ``given``, cast to its own dtype.

    Args:
        module: changed in place.
        given: as :func:`read_state_dict` gives them.
        file: that they are from.
        ignore: beginnings of names that may be left over.

    Raises:
        ModelError: names or shapes that do not fit.
    """
    prefix, named = matched(given, module)
    wanted = tensors(module)
    fit = compare(named, wanted, ignore)
    outside = [k for k in given if not k.startswith(prefix)]
    if fit.wrong:
        raise _misfit(file, fit, outside)
    if outside:
        log.info("%s: %d tensors outside %r are not used", spelled(file), len(outside), prefix)
    state = OrderedDict((k, v) for k, v in named.items() if k in wanted)
    versions = getattr(given, "_metadata", None) or module.state_dict()._metadata  # type: ignore[attr-defined]
    # Without versions some modules take a state dict for an old one and convert it.
    state._metadata = {  # type: ignore[attr-defined]
        k.removeprefix(prefix) if k != prefix[:-1] else "": v for k, v in versions.items()
    }
    module.load_state_dict(state, strict=False)


def matched(
    given: Mapping[str, torch.Tensor], module: nn.Module
) -> tuple[str, dict[str, torch.Tensor]]:
    """The beginning of the names that ``module`` does not have, and the tensors without it.

    Names may carry leading components (``module.``, ``_orig_mod.``, ``backbone.``, ...): those
    that give the most matches are dropped.
    """
    prefix = _best_prefix(given, tensors(module))
    return prefix, {k.removeprefix(prefix): v for k, v in given.items() if k.startswith(prefix)}


def classes_in(
    given: Mapping[str, torch.Tensor], module: nn.Module, ignore: tuple[str, ...] = ()
) -> int | None:
    """The number of outputs of the network that ``given`` is of, where only that differs."""
    return _other_classes(compare(matched(given, module)[1], tensors(module), ignore))


def tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers of ``module`` by name."""
    return {k: v for k, v in module.state_dict().items() if isinstance(v, torch.Tensor)}


def _best_prefix(given: Iterable[str], wanted: Mapping[str, torch.Tensor]) -> str:
    """The leading components whose removal makes the most names of ``given`` known."""
    hits: Counter[str] = Counter()
    for key in given:
        parts = key.split(".")
        for cut in range(len(parts)):
            if ".".join(parts[cut:]) in wanted:
                hits["".join(f"{part}." for part in parts[:cut])] += 1
    # On a tie the first that the file mentions.
    return max(hits, key=hits.__getitem__, default="")


@dataclass(frozen=True)
class Fit:
    """Differences of names and shapes; shapes are (name, checkpoint's, model's)."""

    missing: list[str]
    unexpected: list[str]
    reshaped: list[tuple[str, tuple[int, ...], tuple[int, ...]]]

    @property
    def wrong(self) -> bool:
        return bool(self.missing or self.unexpected or self.reshaped)


def compare(
    named: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor], ignore: tuple[str, ...]
) -> Fit:
    """How the names and shapes of a checkpoint and a model differ."""
    return Fit(
        missing=[k for k in wanted if k not in named and not k.endswith(_COUNTERS)],
        unexpected=[
            k
            for k in named
            if k not in wanted and not k.endswith(_COUNTERS) and not k.startswith(ignore)
        ],
        reshaped=[
            (k, tuple(named[k].shape), tuple(v.shape))
            for k, v in wanted.items()
            if k in named and named[k].shape != v.shape
        ],
    )


def _misfit(file: Path, fit: Fit, outside: list[str]) -> ModelError:
    """Counts and the first three names of each kind, and the likeliest remedy."""
    # Names outside the common beginning matter only where something is missing.
    unexpected = fit.unexpected + (outside if fit.missing else [])
    shapes = [
        f"{k} {_times(ours)} in the model {_times(theirs)}" for k, ours, theirs in fit.reshaped
    ]
    found = [
        f"{len(names)} {kind} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for kind, names in (
            ("missing", fit.missing),
            ("unexpected", unexpected),
            ("of another shape", shapes),
        )
        if names
    ]
    classes = _other_classes(fit)
    return ModelError(
        "the checkpoint does not fit the model",
        where=spelled(file),
        got="; ".join(found),
        remedy=f"model.num_classes={classes}"
        if classes
        else "choose the model that the checkpoint was saved from",
    )


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _other_classes(fit: Fit) -> int | None:
    """The checkpoint's K where nothing but the number of outputs of the head, or heads, differs."""
    outputs = {ours[:1] for _, ours, _ in fit.reshaped}
    made = {theirs[:1] for _, _, theirs in fit.reshaped}
    rest_fits = all(ours[1:] == theirs[1:] for _, ours, theirs in fit.reshaped)
    if fit.missing or fit.unexpected or len(made) != 1 or len(outputs) != 1 or not rest_fits:
        return None
    return outputs.pop()[0] if () not in outputs | made else None
