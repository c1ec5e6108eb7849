"""A copy of the user's model: the audit freezes, folds and moves the copy, not the original."""

from __future__ import annotations

import copy

import torch
from torch import nn

from xai_audit.errors import ModelError

_PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)


def copied(module: nn.Module) -> nn.Module:
    """A copy of ``module`` that shares no tensor with it, on the same device, in the same modes.

    Wrappers around the module or around a module inside it are removed: ``torch.compile``, whose
    compiled code ignores hooks, and ``DataParallel``.

    Raises:
        ModelError: it cannot be copied.
    """
    memo: dict[int, object] = {}
    try:
        return _copy(module, memo)
    # Locks, handles, tensors in a graph: an attribute of the user's model may fail in any way.
    except Exception as exc:
        raise ModelError(
            "the factory's model cannot be copied, and the original must not be changed",
            where=type(module).__name__,
            got=f"{type(exc).__name__}: {str(exc)[:200]}",
            remedy="give it a __deepcopy__, or leave out of the model what cannot be copied",
        ) from exc


def _copy(module: nn.Module, memo: dict[int, object]) -> nn.Module:
    inner = _inside(module)
    for child in list(inner.modules())[1:]:
        if _inside(child) is not child and id(child) not in memo:
            memo[id(child)] = _copy(child, memo)
    for layer in inner.modules():
        for value in vars(layer).values():
            # Made of parameters, as weight_norm's weight is: deepcopy takes leaves only.
            if isinstance(value, torch.Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    return copy.deepcopy(inner, memo)


def _inside(module: nn.Module) -> nn.Module:
    """The module inside any number of ``torch.compile`` and ``DataParallel`` wrappers."""
    while True:
        held = module.module if isinstance(module, _PARALLEL) else _compiled(module)
        if not isinstance(held, nn.Module):
            return module
        module = held


def _compiled(module: nn.Module) -> object:
    """The module that ``torch.compile`` was given, None where ``module`` is not its result."""
    return module._modules.get("_orig_mod")
