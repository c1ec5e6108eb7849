"""The tensors of a checkpoint by name, wherever in it a training script has put them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from xai_audit.errors import ModelError
from xai_audit.models._containers import read
from xai_audit.models._inert import Inert, items_of, module_tensors
from xai_audit.store.address import spelled

if TYPE_CHECKING:
    from pathlib import Path

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


_DEEPEST = 4  # mappings in mappings; one may hold itself


def read_state_dict(
    file: Path, *, trust: bool, key: str | None = None
) -> OrderedDict[str, torch.Tensor]:
    """The tensors of ``file`` by name, found under ``key``, else at the top or the usual keys.

    Args:
        file: state dict, safetensors, TorchScript or ``torch.export``.
        trust: whether unpickling may run code; then a pickled module is taken too.
        key: of a training checkpoint's mapping of tensors, or None.

    Raises:
        ModelError: missing, corrupt, unsafe, without tensors, or without ``key``.
    """
    held = read(file, trust=trust)
    if key is not None:
        return _under(held, key, file)
    found = _state_dict(held)
    if not found:
        keys = [name for name, _ in _items(held)][:5] if isinstance(held, Mapping) else None
        raise ModelError(
            "the checkpoint holds no state dict",
            where=spelled(file),
            expected=f"tensors by name, at the top or under {', '.join(_NESTED[:4])}, ...",
            got=type(held).__name__ if keys is None else f"the keys {keys}",
        )
    return found


def _under(held: object, key: str, file: Path) -> OrderedDict[str, torch.Tensor]:
    """The tensors under the user's key."""
    inside = dict(_items(held))
    found = _state_dict(inside.get(key))
    if found:
        return found
    known = [name for name, value in inside.items() if _state_dict(value)]
    raise ModelError(
        "the checkpoint has no weights under this key",
        where=spelled(file),
        expected=f"model.weights_key={' or '.join(known) or 'null'}",
        got=key,
    )


def _state_dict(held: object, depth: int = 0) -> OrderedDict[str, torch.Tensor]:
    """The first state dict inside; nested ones first: scripts put other tensors beside them."""
    if isinstance(held, nn.Module):
        return held.state_dict()  # type: ignore[return-value]
    pickled = module_tensors(held)
    if pickled or isinstance(held, Inert):
        return pickled
    inside = dict(_items(held))
    for key in _NESTED if depth < _DEEPEST else ():
        if nested := _state_dict(inside.get(key), depth + 1):
            return nested
    found = OrderedDict((k, v) for k, v in inside.items() if isinstance(v, torch.Tensor))
    versions = items_of(getattr(held, "_metadata", None))
    if versions:
        found._metadata = {k: v for k, v in versions if isinstance(v, dict)}  # type: ignore[attr-defined]
    return found


def _items(held: object) -> list[tuple[str, object]]:
    """The items of any mapping whose keys are texts; of one of the user's where it is trusted."""
    if isinstance(held, dict) or not isinstance(held, Mapping):
        return items_of(held)
    return [(key, value) for key, value in held.items() if isinstance(key, str)]
