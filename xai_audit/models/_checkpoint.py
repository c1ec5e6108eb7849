"""Weights from a file into a module, or one line that says which keys or shapes do not fit."""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from xai_audit.errors import ModelError
from xai_audit.models._containers import read
from xai_audit.store.address import spelled

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

log = logging.getLogger(__name__)

# Where training scripts put the state dict, the most specific first.
_NESTED = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "module",
    "state_dict_ema",
    "model_ema",
    "ema",
    "params",
    "weights",
)

# Counters that no forward in eval mode reads.
_COUNTERS = ("num_batches_tracked", "n_averaged")


def read_state_dict(file: Path, *, trust: bool) -> dict[str, torch.Tensor]:
    """The tensors of ``file`` by name, found at the top or under the usual keys.

    Args:
        file: state dict, safetensors, TorchScript or ``torch.export``.
        trust: whether unpickling may run code; then a pickled module is taken too.

    Raises:
        ModelError: missing, corrupt, unsafe, or without tensors.
    """
    held = read(file, trust=trust)
    found = _state_dict(held)
    if not found:
        keys = list(held)[:5] if isinstance(held, Mapping) else None
        raise ModelError(
            "the checkpoint holds no state dict",
            where=spelled(file),
            expected=f"tensors by name, at the top or under {', '.join(_NESTED[:4])}, ...",
            got=type(held).__name__ if keys is None else f"the keys {keys}",
        )
    return found


def _state_dict(held: object) -> OrderedDict[str, torch.Tensor]:
    """The first state dict inside; nested ones first: scripts put other tensors beside them."""
    if isinstance(held, nn.Module):
        return held.state_dict()  # type: ignore[return-value]
    found: OrderedDict[str, torch.Tensor] = OrderedDict()
    if not isinstance(held, Mapping):
        return found
    for key in _NESTED:
        inner = held.get(key)
        if isinstance(inner, (Mapping, nn.Module)) and (nested := _state_dict(inner)):
            return nested
    found.update((k, v) for k, v in held.items() if isinstance(v, torch.Tensor))
    if hasattr(held, "_metadata"):
        found._metadata = held._metadata  # type: ignore[attr-defined]
    return found


def load_into(module: nn.Module, file: Path, *, trust: bool, ignore: tuple[str, ...] = ()) -> None:
    """Give ``module`` the weights of ``file``, cast to its own dtype.

    Names may carry leading components that the module does not have (``module.``,
    ``_orig_mod.``, ``backbone.``, ...): those that give the most matches are dropped.

    Args:
        module: changed in place.
        file: any container that :func:`read_state_dict` takes.
        trust: whether unpickling may run code.
        ignore: beginnings of names that may be left over.

    Raises:
        ModelError: a file that cannot be read, or names or shapes that do not fit.
    """
    given = read_state_dict(file, trust=trust)
    wanted = {k: v for k, v in module.state_dict().items() if isinstance(v, torch.Tensor)}
    prefix = _best_prefix(given, wanted)
    named = {k.removeprefix(prefix): v for k, v in given.items() if k.startswith(prefix)}
    fit = _compare(named, wanted, ignore)
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
class _Fit:
    """Differences of names and shapes; shapes are (name, checkpoint's, model's)."""

    missing: list[str]
    unexpected: list[str]
    reshaped: list[tuple[str, tuple[int, ...], tuple[int, ...]]]

    @property
    def wrong(self) -> bool:
        return bool(self.missing or self.unexpected or self.reshaped)


def _compare(
    named: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor], ignore: tuple[str, ...]
) -> _Fit:
    return _Fit(
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


def _misfit(file: Path, fit: _Fit, outside: list[str]) -> ModelError:
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


def _other_classes(fit: _Fit) -> int | None:
    """The checkpoint's K where nothing but one layer's number of outputs differs."""
    owners = {name.rpartition(".")[0] for name, _, _ in fit.reshaped}
    outputs = {ours[:1] for _, ours, _ in fit.reshaped}
    rest_fits = all(ours[1:] == theirs[1:] for _, ours, theirs in fit.reshaped)
    if fit.missing or fit.unexpected or len(owners) != 1 or len(outputs) != 1 or not rest_fits:
        return None
    return outputs.pop()[0] if outputs != {()} else None
