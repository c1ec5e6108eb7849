"""A callable of the user's code by its name."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from xai_audit.errors import ModelError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

WHERE = "model.factory"


def callable_of(factory: str) -> Callable[..., object]:
    """The object that ``package.module:callable`` names; the current folder is importable.

    Raises:
        ModelError: nothing to import, no such name, or nothing to call.
    """
    module_name, colon, attribute = factory.partition(":")
    if not (module_name and colon and attribute):
        raise ModelError(
            "a factory that names no callable",
            where=WHERE,
            expected="package.module:callable",
            got=repr(factory),
        )
    found: object = _import(module_name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = [name for name in dir(found) if not name.startswith("_")]
            raise ModelError(
                f"{module_name} has no {attribute}",
                where=f"{WHERE}={factory}",
                remedy=f"one of {nearest(part, names)}",
            )
        found = getattr(found, part)
    if not callable(found):
        raise ModelError(
            "the factory cannot be called",
            where=f"{WHERE}={factory}",
            expected="a function or a class",
            got=type(found).__name__,
        )
    return found


def _import(name: str) -> ModuleType:
    """The module ``name``, also from the current folder, as ``python -m`` finds it."""
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    # The user's module may raise anything while it is imported.
    except (Exception, SystemExit) as exc:
        absent = isinstance(exc, ModuleNotFoundError) and f"{name}.".startswith(f"{exc.name}.")
        raise ModelError(
            "there is no such module" if absent else "the module failed to import",
            where=f"{WHERE}={name}",
            got=f"{type(exc).__name__}: {exc}",
            remedy=f"run from its folder ({here} was searched) or install it" if absent else None,
        ) from exc
