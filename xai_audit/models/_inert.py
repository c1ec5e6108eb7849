"""Pickled checkpoints with objects besides tensors, read without importing or calling anything.

A training checkpoint often holds its settings as an ``argparse.Namespace`` or a class of the
user's, and some hold the whole module. torch's restricted unpickler refuses a file with any name
that it does not know. Here each such name becomes a class of its own that does nothing, and that
same unpickler reads the file: it calls nothing but what rebuilds tensors and these classes.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import torch

from xai_audit.store.address import spelled

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

_SHOWN = 3


class Inert:
    """An object in place of one whose class is not imported; keeps its state, does nothing."""

    state: object = None

    def __new__(cls, *_args: object, **_keywords: object) -> Any:  # noqa: ANN401
        """An object without state, whatever the arguments."""
        return object.__new__(cls)

    def __init__(self, *_args: object, **_keywords: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        """Keep the attributes that the object had, as one value."""
        # Not as attributes: a name from the file would take the place of one of ours.
        self.state = state


class _InertDict:
    """A class whose objects are plain ordered dicts: the unpickler puts items into nothing else."""

    def __new__(cls, *_args: object, **_keywords: object) -> Any:  # noqa: ANN401
        """An empty dict, whatever the arguments."""
        return OrderedDict()


class _InertList:
    """A class whose objects are plain lists: the unpickler appends to nothing else."""

    def __new__(cls, *_args: object, **_keywords: object) -> Any:  # noqa: ANN401
        """An empty list, whatever the arguments."""
        return []


def load_inert(file: Path) -> object:
    """The object that ``file`` holds, with inert ones in place of what is no tensor.

    Args:
        file: as ``torch.save`` writes it, a zip.

    Raises:
        Exception: whatever torch raises of a file that it does not read even so.
    """
    # Names of modules that torch blocks (os, sys) stay refused.
    names = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(file))
    with torch.serialization.safe_globals([_inert_class(name) for name in names]):
        held: object = torch.load(file, map_location="cpu", weights_only=True)
    shown = ", ".join([*names[:_SHOWN], "..."][: len(names)])
    log.info("%s: only tensors are read of it, no object of %s", spelled(file), shown)
    return held


def _inert_class(dotted: str) -> type:
    """A new class that the unpickler takes for the one of that name."""
    module, _, name = dotted.rpartition(".")
    base: type = Inert
    if name.lower().endswith("dict") and not module.startswith("torch.nn."):  # nn.ModuleDict
        base = _InertDict
    elif name == "deque":
        base = _InertList
    return type(name, (base,), {"__module__": module, "__qualname__": name})


def module_tensors(held: object, inside: tuple[int, ...] = ()) -> OrderedDict[str, torch.Tensor]:
    """The parameters and buffers by name of a pickled module that was read as inert objects.

    Args:
        held: what may be such a module.
        inside: ids of the modules around it.
    """
    found: OrderedDict[str, torch.Tensor] = OrderedDict()
    state = held.state if isinstance(held, Inert) else None
    if not isinstance(state, dict) or id(held) in inside:
        return found
    passing = state.get("_non_persistent_buffers_set")
    for group in ("_parameters", "_buffers"):
        for name, value in items_of(state.get(group)):
            if isinstance(value, torch.Tensor) and not (
                isinstance(passing, set) and name in passing
            ):
                found[name] = value
    for name, child in items_of(state.get("_modules")):
        inner = module_tensors(child, (*inside, id(held)))
        found.update((f"{name}.{key}", value) for key, value in inner.items())
    return found


def items_of(held: object) -> list[tuple[str, object]]:
    """The items of a dict whose keys are texts, none where ``held`` is something else."""
    if not isinstance(held, dict):
        return []
    # Not held.items(): an unpickled dict may have an attribute of that name.
    return [(key, value) for key, value in dict.items(held) if isinstance(key, str)]
