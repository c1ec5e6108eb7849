"""The tensors of a checkpoint by name, wherever in it a training script has put them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from xai_audit.errors import ModelError
from xai_audit.models._containers import read
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
        keys = list(held)[:5] if isinstance(held, Mapping) else None
        raise ModelError(
            "the checkpoint holds no state dict",
            where=spelled(file),
            expected=f"tensors by name, at the top or under {', '.join(_NESTED[:4])}, ...",
            got=type(held).__name__ if keys is None else f"the keys {keys}",
        )
    return found


def _under(held: object, key: str, file: Path) -> OrderedDict[str, torch.Tensor]:
    """The tensors under the user's key."""
    items = held if isinstance(held, Mapping) else {}
    found = _state_dict(items.get(key))
    if found:
        return found
    known = [str(name) for name, value in items.items() if _state_dict(value)]
    raise ModelError(
        "the checkpoint has no weights under this key",
        where=spelled(file),
        expected=f"model.weights_key={' or '.join(known) or 'null'}",
        got=key,
    )


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
