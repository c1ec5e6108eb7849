"""Batch normalisation folded into the convolution before it: one pass over memory less."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)


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
