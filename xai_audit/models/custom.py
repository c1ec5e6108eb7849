"""A model that the user's own code builds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from xai_audit.errors import ModelError
from xai_audit.models._options import Options, finish, load
from xai_audit.network.callables import callable_of
from xai_audit.network.copied import copied
from xai_audit.types import Preprocess

if TYPE_CHECKING:
    from xai_audit.types import ModelSpec

_KEY = "model.factory"


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
    make = callable_of(factory, _KEY)
    arguments = dict(kwargs)
    if options.num_classes is not None:
        arguments.setdefault("num_classes", options.num_classes)
    try:
        module = make(**arguments)
    # The user's code may raise anything.
    except (Exception, SystemExit) as exc:
        raise ModelError(
            "the factory failed",
            where=f"{_KEY}={factory}",
            got=f"{type(exc).__name__}: {exc}",
            remedy="its arguments are model.kwargs",
        ) from exc
    if not isinstance(module, nn.Module):
        raise ModelError(
            "the factory returned no model",
            where=f"{_KEY}={factory}",
            expected="a torch.nn.Module",
            got=type(module).__name__,
        )
    # The model may still be used elsewhere: in a notebook, or in a cache of the factory's.
    module = copied(module)
    load(module, options)
    return finish(module, options, base=Preprocess(), name=factory.rpartition(":")[2])
