"""Any classifier of timm, with its own weights, the user's checkpoint, or none."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from xai_audit.errors import ModelError, nearest
from xai_audit.models._options import Options, finish, trained
from xai_audit.models._timm_transform import preprocess_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from torch import nn

    from xai_audit.types import ModelSpec

log = logging.getLogger(__name__)


def build(
    *,
    num_classes_of_dataset: int,
    arch: str,
    pretrained: bool,
    kwargs: dict[str, object],
    **common: Any,  # noqa: ANN401 - Options names and types them
) -> ModelSpec:
    """The ModelSpec of timm's ``arch``; a checkpoint wins over ``pretrained``.

    Args:
        num_classes_of_dataset: K where neither weights nor ``num_classes`` say it.
        arch: a name of ``timm.list_models()``, with or without its weights' tag, or ``hf-hub:...``.
        pretrained: whether to download timm's weights.
        kwargs: more arguments of ``timm.create_model``; ``in_chans=1`` makes a grey-scale model.
        **common: the fields of :class:`Options`.

    Raises:
        ModelError: timm is missing, an unknown name, weights that cannot be had or do not fit.
    """
    options = Options(**common)
    timm = _import()
    # A source (hf-hub:, local-dir:) is checked by whoever serves it.
    if ":" not in arch and not timm.is_model(arch):
        raise ModelError(
            "timm has no such classifier",
            where="model.arch",
            got=arch,
            remedy=f"one of {nearest(arch.partition('.')[0], timm.list_models())}",
        )
    download = pretrained and options.checkpoint is None
    if not pretrained and options.checkpoint is None:
        log.warning("%s has random weights: not pretrained, no model.checkpoint", arch)
    code = f"import timm; net = timm.create_model({arch!r}"
    if download:
        module = _create(timm, arch, {**kwargs, "pretrained": True, "num_classes": None})
    else:
        fresh = {**kwargs, "pretrained": False}
        module = trained(
            lambda classes: _create(timm, arch, {**fresh, "num_classes": classes}),
            options,
            classes=num_classes_of_dataset,
            code="".join([code, *(f", {key}={value!r}" for key, value in kwargs.items()), ")"]),
        )
    own = getattr(module, "num_classes", None)
    if download and options.num_classes not in (None, own):
        raise ModelError(
            "the weights have another number of classes",
            where="model.num_classes",
            expected=f"null or {own}",
            got=options.num_classes,
            remedy="model.checkpoint=FILE of a network with that many",
        )
    return finish(module, options, base=preprocess_of(module, kwargs.get("in_chans")), name=arch)


def _import() -> ModuleType:
    try:
        import timm
        import timm.data
    except ImportError as exc:
        raise ModelError(
            "timm is not installed", where="model=timm", remedy='pip install "xai-audit[timm]"'
        ) from exc
    return timm


def _create(timm: ModuleType, arch: str, arguments: Mapping[str, object]) -> nn.Module:
    try:
        module: nn.Module = timm.create_model(arch, **arguments)
    # Hub, network, tag and file errors come from several packages with no common base.
    except Exception as exc:
        raise ModelError(
            "timm cannot provide the model",
            where=arch,
            got=f"{type(exc).__name__}: {exc}"[:200],
            remedy="model.checkpoint=FILE needs no download"
            if arguments["pretrained"]
            else "choose another model.arch",
        ) from exc
    return module
