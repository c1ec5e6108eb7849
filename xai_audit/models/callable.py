"""A classifier of which only a function from photos to probabilities is known."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from xai_audit.models._options import check_head
from xai_audit.models._preprocess import override
from xai_audit.network.black_box import PhotoFunction
from xai_audit.network.callables import callable_of
from xai_audit.types import ModelSpec, Preprocess

if TYPE_CHECKING:
    from collections.abc import Mapping


def build(  # noqa: PLR0913 - the keys of the YAML
    *,
    num_classes_of_dataset: int,  # noqa: ARG001 - every model plugin gets it
    function: str,
    kwargs: dict[str, object],
    head: str | None,
    preprocess: Mapping[str, object],
    name: str | None,
) -> ModelSpec:
    """The ModelSpec of ``function``, which has outputs only.

    Args:
        num_classes_of_dataset: not used; the function's outputs say K.
        function: ``package.module:function``; the current folder is importable.
        kwargs: more arguments of the function.
        head: of HEADS, or None: softmax.
        preprocess: changes to the resize and the crop.
        name: names the output folder, or None for the function's.

    Raises:
        ModelError: nothing to import or call, or a result that is no probabilities.
    """
    check_head(head)
    transform = override(Preprocess(), preprocess)
    predict = callable_of(function, "model.function")
    module = PhotoFunction(
        partial(predict, **kwargs), transform, name=function, independent=head == "sigmoid"
    )
    return ModelSpec(
        module=module,
        preprocess=transform,
        name=name or function.rpartition(":")[2],
        head=head,
    )
