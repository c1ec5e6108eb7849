"""A copy of the user's model that computes the same: norms folded, one logit turned into two."""

from __future__ import annotations

import copy
import logging
from collections import Counter
from typing import TYPE_CHECKING

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from xai_audit.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)
log = logging.getLogger(__name__)


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
    inner = unwrapped(module)
    for child in list(inner.modules())[1:]:
        if unwrapped(child) is not child and id(child) not in memo:
            memo[id(child)] = _copy(child, memo)
    for layer in inner.modules():
        for value in vars(layer).values():
            # Made of parameters, as weight_norm's weight is: deepcopy takes leaves only.
            if isinstance(value, torch.Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    return copy.deepcopy(inner, memo)


def unwrapped(module: nn.Module) -> nn.Module:
    """The module inside any number of ``torch.compile`` and ``DataParallel`` wrappers."""
    while True:
        held = module.module if isinstance(module, _PARALLEL) else _compiled(module)
        if not isinstance(held, nn.Module):
            return module
        module = held


def _compiled(module: nn.Module) -> object:
    """The module that ``torch.compile`` was given, None where ``module`` is not its result."""
    return module._modules.get("_orig_mod")


def fold_conv_bn(module: nn.Module, *, keep: str) -> dict[str, nn.Module]:
    """The modules that were replaced, by name, to undo it with :func:`restore`.

    The graph is traced only to find pairs; ``module`` keeps its structure, names and hooks, with
    Identity where a batch norm was. A module that cannot be traced is left as it is.

    Args:
        module: in eval mode; changed in place.
        keep: the layer whose output must stay what it is.
    """
    replaced: dict[str, nn.Module] = {}
    for conv, bn in list(_pairs(module, keep)):
        first, second = module.get_submodule(conv), module.get_submodule(bn)
        replaced |= {conv: first, bn: second}
        module.set_submodule(conv, fuse_conv_bn_eval(first, second))  # type: ignore[arg-type, type-var]
        module.set_submodule(bn, nn.Identity().eval())
    log.debug("folded %d pairs of convolution and batch norm", len(replaced) // 2)
    return replaced


def restore(module: nn.Module, replaced: dict[str, nn.Module]) -> None:
    """Put back what :func:`fold_conv_bn` replaced."""
    for name, original in replaced.items():
        module.set_submodule(name, original)


def _pairs(module: nn.Module, keep: str) -> Iterator[tuple[str, str]]:
    """Names of a Conv2d and the BatchNorm2d that alone reads it, each called once."""
    try:
        graph = fx.Tracer().trace(module)
    # Control flow, foreign types, ...: tracing runs the user's forward and may raise anything.
    except Exception as exc:  # the model is only a little slower without it
        log.debug("not folded: %s: %s", type(exc).__name__, exc)
        return
    named = dict(module.named_modules(remove_duplicate=False))
    calls = Counter(id(named[str(n.target)]) for n in graph.nodes if n.op == "call_module")
    for node in graph.nodes:
        users = list(node.users)
        if node.op != "call_module" or len(users) != 1 or users[0].op != "call_module":
            continue
        conv, bn = str(node.target), str(users[0].target)
        once = calls[id(named[conv])] == calls[id(named[bn])] == 1
        if once and _foldable(named[conv], named[bn]) and not _splits(keep, conv, bn):
            yield conv, bn


def _foldable(conv: nn.Module, bn: nn.Module) -> bool:
    """Whether both are the plain classes: a subclass may do more (standardise, activate)."""
    hooked = any(m._forward_hooks or m._forward_pre_hooks for m in (conv, bn))
    return (
        type(conv) is nn.Conv2d
        and type(bn) is nn.BatchNorm2d
        and bn.running_mean is not None
        and not hooked
    )


def _splits(keep: str, conv: str, bn: str) -> bool:
    """Whether ``keep`` holds ``conv`` but not ``bn``: the bare convolution is its output."""
    return f"{conv}.".startswith(f"{keep}.") and not f"{bn}.".startswith(f"{keep}.")


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
