"""Pickled checkpoints with objects besides tensors, read without importing or calling anything.

A training checkpoint often holds its settings as an ``argparse.Namespace`` or a class of the
user's, and some hold the whole module. torch's restricted unpickler refuses a file with any name
that it does not know. Here each such name becomes a class of its own that does nothing, and that
same unpickler reads the file: it calls nothing but what rebuilds tensors and these classes.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import torch

from xai_audit.errors import ModelError
from xai_audit.store.address import spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

# A module's own tensors and the modules in it, both by name.
Parts = tuple[list[tuple[str, object]], list[tuple[str, object]]]

_SHOWN = 3
# Of a pickled module: the modules in it, by all their names, and how deep they lie.
_MOST = 50_000
_DEEPEST = 500


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


def load_inert(file: Path | BinaryIO, *, name: Path) -> object:
    """The object that ``file`` holds, with inert ones in place of what is no tensor.

    Args:
        file: as ``torch.save`` writes it, a zip.
        name: of the file, for the log.

    Raises:
        Exception: whatever torch raises of a file that it does not read even so.
    """
    # Names of modules that torch blocks (os, sys) stay refused.
    names = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(file))
    if not isinstance(file, Path):
        file.seek(0)
    with torch.serialization.safe_globals([_inert_class(name) for name in names]):
        held: object = torch.load(file, map_location="cpu", weights_only=True)
    shown = ", ".join([*names[:_SHOWN], "..."][: len(names)])
    log.info("%s: only tensors are read of it, no object of %s", spelled(name), shown)
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


def _pickled_parts(module: object) -> Parts | None:
    """The tensors and modules that a pickled module keeps as ``nn.Module`` does."""
    state = attributes(module)
    if state is None:
        return None
    return [*_own_tensors(state)], items_of(state.get("_modules"))


def module_tensors(
    held: object, parts: Callable[[object], Parts | None] = _pickled_parts
) -> OrderedDict[str, torch.Tensor]:
    """The parameters and buffers by name of a pickled module that was read as inert objects.

    A module that is held in several places is named in each, as in a state dict.

    Args:
        held: what may be such a module.
        parts: its own tensors and the modules in it by name, None of what is no module.

    Raises:
        ModelError: it has more modules inside than any network: a few names in a file can stand
            for millions.
    """
    found: OrderedDict[str, torch.Tensor] = OrderedDict()
    waiting: list[tuple[str, object, tuple[int, ...]]] = [("", held, ())]
    met = 0
    while waiting:
        prefix, module, inside = waiting.pop()
        inner = None if id(module) in inside else parts(module)
        if inner is None:
            continue
        met += 1
        if met > _MOST or len(inside) > _DEEPEST:
            raise _too_many()
        tensors, modules = inner
        found.update((prefix + n, v) for n, v in tensors if isinstance(v, torch.Tensor))
        waiting += [
            (f"{prefix}{name}.", child, (*inside, id(module))) for name, child in reversed(modules)
        ]
    return found


def attributes(held: object) -> dict[str, object] | None:
    """The attributes of an object that was pickled; None of anything else."""
    # The unpickler puts the attributes of what it takes for a dict by its name into __dict__.
    state = held.state if isinstance(held, Inert) else None
    found: object = vars(held) if type(held) is OrderedDict else state
    return found if isinstance(found, dict) else None


def _own_tensors(state: dict[str, object]) -> Iterator[tuple[str, torch.Tensor]]:
    """A module's own parameters and the buffers that a state dict has."""
    passing = state.get("_non_persistent_buffers_set")
    for group in ("_parameters", "_buffers"):
        for name, value in items_of(state.get(group)):
            if isinstance(value, torch.Tensor) and not (
                isinstance(passing, set) and name in passing
            ):
                yield name, value


def _too_many() -> ModelError:
    return ModelError(
        "the checkpoint's pickled module has more modules inside than any network",
        where="model.checkpoint",
        expected=f"{_MOST} at most, and {_DEEPEST} inside each other",
        remedy="a file with its state dict",
    )


def items_of(held: object) -> list[tuple[str, object]]:
    """The items of a dict whose keys are texts, none where ``held`` is something else."""
    if not isinstance(held, dict):
        return []
    # Not held.items(): an unpickled dict may have an attribute of that name.
    return [(key, value) for key, value in dict.items(held) if isinstance(key, str)]
