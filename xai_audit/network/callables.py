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


def callable_of(name: str, key: str) -> Callable[..., object]:
    """The object that ``package.module:callable`` names; the current folder is importable.

    Args:
        name: of the object.
        key: of the configuration that gives it, as ``model.factory``.

    Raises:
        ModelError: nothing to import, no such name, or nothing to call.
    """
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise ModelError(
            f"a {key.rpartition('.')[2]} that names no callable",
            where=key,
            expected="package.module:callable",
            got=repr(name),
        )
    found: object = _import(module_name, key)
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = [each for each in dir(found) if not each.startswith("_")]
            raise ModelError(
                f"{module_name} has no {attribute}",
                where=f"{key}={name}",
                remedy=f"one of {nearest(part, names)}",
            )
        found = getattr(found, part)
    if not callable(found):
        raise ModelError(
            f"the {key.rpartition('.')[2]} cannot be called",
            where=f"{key}={name}",
            expected="a function or a class",
            got=type(found).__name__,
        )
    return found


def _import(name: str, key: str) -> ModuleType:
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
            where=f"{key}={name}",
            got=f"{type(exc).__name__}: {exc}",
            remedy=f"run from its folder ({here} was searched) or install it" if absent else None,
        ) from exc
