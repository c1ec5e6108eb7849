"""A model that the user's own code builds."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from xai_audit.errors import ModelError, nearest
from xai_audit.models._options import Options, finish, load
from xai_audit.network.copied import copied
from xai_audit.types import Preprocess

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from xai_audit.types import ModelSpec

_WHERE = "model.factory"


def build(
    *,
    num_classes_of_dataset: int,  # noqa: ARG001 - every model plugin gets it
    factory: str,
    kwargs: dict[str, object],
    **common: Any,  # noqa: ANN401 - Options names and types them
) -> ModelSpec:
    """The ModelSpec of a copy of what ``factory(**kwargs)`` returns, with ImageNet's transform.

    Args:
        num_classes_of_dataset: not used; the factory decides.
        factory: ``package.module:callable``; the current folder is importable.
        kwargs: the callable's arguments; ``num_classes``, where given, is one more.
        **common: the fields of :class:`Options`.

    Raises:
        ModelError: nothing to import or call, an error inside, or a result that is no nn.Module
            or cannot be copied.
    """
    options = Options(**common)
    make = _callable(factory)
    arguments = dict(kwargs)
    if options.num_classes is not None:
        arguments.setdefault("num_classes", options.num_classes)
    try:
        module = make(**arguments)
    # The user's code may raise anything.
    except (Exception, SystemExit) as exc:
        raise ModelError(
            "the factory failed",
            where=f"{_WHERE}={factory}",
            got=f"{type(exc).__name__}: {exc}",
            remedy="its arguments are model.kwargs",
        ) from exc
    if not isinstance(module, nn.Module):
        raise ModelError(
            "the factory returned no model",
            where=f"{_WHERE}={factory}",
            expected="a torch.nn.Module",
            got=type(module).__name__,
        )
    # The model may still be used elsewhere: in a notebook, or in a cache of the factory's.
    module = copied(module)
    load(module, options)
    return finish(module, options, base=Preprocess(), name=factory.rpartition(":")[2])


def _callable(factory: str) -> Callable[..., object]:
    """The object that ``package.module:callable`` names."""
    module_name, colon, attribute = factory.partition(":")
    if not (module_name and colon and attribute):
        raise ModelError(
            "a factory that names no callable",
            where=_WHERE,
            expected="package.module:callable",
            got=repr(factory),
        )
    found: object = _import(module_name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = [name for name in dir(found) if not name.startswith("_")]
            raise ModelError(
                f"{module_name} has no {attribute}",
                where=f"{_WHERE}={factory}",
                remedy=f"one of {nearest(part, names)}",
            )
        found = getattr(found, part)
    if not callable(found):
        raise ModelError(
            "the factory cannot be called",
            where=f"{_WHERE}={factory}",
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
            where=f"{_WHERE}={name}",
            got=f"{type(exc).__name__}: {exc}",
            remedy=f"run from its folder ({here} was searched) or install it" if absent else None,
        ) from exc
