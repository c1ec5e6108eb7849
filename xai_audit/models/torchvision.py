"""Any classifier of torchvision, with its own weights, the user's checkpoint, or none."""

from __future__ import annotations

import http.client
import logging
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torchvision import models
from torchvision.models import (
    get_model,
    get_model_weights,
    list_models,
)

from xai_audit.errors import ModelError, nearest
from xai_audit.models._options import Options, finish, trained
from xai_audit.types import Preprocess

if TYPE_CHECKING:
    from torch import nn

    from xai_audit.types import ModelSpec

log = logging.getLogger(__name__)

# Heads that only training uses; a checkpoint may or may not carry them.
_AUXILIARY = {"googlenet": ("aux1.", "aux2."), "inception_v3": ("AuxLogits.",)}


def build(
    *,
    num_classes_of_dataset: int,
    arch: str,
    weights: str | None,
    **common: Any,  # noqa: ANN401 - Options names and types them
) -> ModelSpec:
    """The ModelSpec of torchvision's ``arch``.

    A checkpoint wins over ``weights``: nothing is downloaded then, but ``weights`` still says
    which transform belongs to the network, and whether it expects torchvision's own input shift
    (GoogLeNet, Inception), as a network fine-tuned from them does.

    Args:
        num_classes_of_dataset: K where neither weights nor ``num_classes`` say it.
        arch: a name of ``torchvision.models.list_models()``.
        weights: a member of the arch's weights enum, or None.
        **common: the fields of :class:`Options`.

    Raises:
        ModelError: an unknown name, weights that cannot be had or do not fit.
    """
    options = Options(**common)
    _check_arch(arch)
    entry = _entry(arch, weights)
    if options.checkpoint is None and entry is not None:
        module = _pretrained(arch, entry, options.num_classes)
    else:
        if options.checkpoint is None:
            log.warning("%s has random weights: no model.weights, no model.checkpoint", arch)
        fresh = {"weights": None, **_untrained_arguments(arch, entry)}
        module = trained(
            lambda classes: get_model(arch, num_classes=classes, **fresh),
            options,
            classes=num_classes_of_dataset,
            code=f"from torchvision.models import get_model; net = get_model({arch!r})",
            ignore=_AUXILIARY.get(arch, ()),
        )
    preset = entry or next(iter(get_model_weights(arch)))
    return finish(module, options, base=_preprocess(preset), name=arch)


def _check_arch(arch: str) -> None:
    known = list_models(module=models)
    if arch not in known:
        raise ModelError(
            "torchvision has no such classifier",
            where="model.arch",
            got=arch,
            remedy=f"one of {nearest(arch, known)}",
        )


def _entry(arch: str, weights: str | None) -> Any:  # noqa: ANN401 - torchvision is untyped
    """The member of the arch's weights enum, or None."""
    if weights is None:
        return None
    members = get_model_weights(arch).__members__
    name = str(weights).rpartition(".")[2]
    if name not in members:
        raise ModelError(
            f"{arch} has no such weights",
            where="model.weights",
            expected=f"{', '.join(members)} or null",
            got=weights,
        )
    return members[name]


def _untrained_arguments(arch: str, entry: Any) -> dict[str, bool]:  # noqa: ANN401
    """Arguments that build GoogLeNet and Inception without the heads that eval never runs."""
    if arch not in _AUXILIARY:
        return {}
    return {
        "aux_logits": False,
        # Their slow initialisation would be overwritten by the checkpoint.
        "init_weights": False,
        "transform_input": entry is not None,
    }


def _pretrained(arch: str, entry: Any, num_classes: int | None) -> nn.Module:  # noqa: ANN401
    """``arch`` with torchvision's own weights, downloaded once into torch.hub's folder."""
    categories = entry.meta["categories"]
    if categories is None:
        raise ModelError(
            "these weights have no classifier",
            where=f"model.weights={entry.name}",
            remedy="model.weights=DEFAULT",
        )
    if num_classes not in (None, len(categories)):
        raise ModelError(
            "the weights have another number of classes",
            where="model.num_classes",
            expected=f"null or {len(categories)}",
            got=num_classes,
            remedy="model.checkpoint=FILE of a network with that many",
        )
    file = Path(torch.hub.get_dir()) / "checkpoints" / entry.url.rpartition("/")[2]
    existed = file.exists()
    arguments = {"aux_logits": False} if arch in _AUXILIARY else {}
    try:
        module: nn.Module = get_model(arch, weights=entry, **arguments)
    except (
        OSError,
        RuntimeError,
        EOFError,
        pickle.UnpicklingError,
        http.client.HTTPException,
    ) as exc:
        raise ModelError(
            "the weights in the download folder cannot be read"
            if existed
            else "the weights cannot be downloaded",
            where=file if existed else entry.url,
            got=f"{type(exc).__name__}: {exc}"[:200],
            remedy=f"put the file of {entry.url} at {file}, or give model.checkpoint=FILE",
        ) from exc
    return module


def _preprocess(entry: Any) -> Preprocess:  # noqa: ANN401
    """The eval transform that torchvision publishes with ``entry``."""
    preset = entry.transforms()
    (resize,), (crop,) = preset.resize_size, preset.crop_size
    return Preprocess(
        resize=resize,
        crop=(crop, crop),
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        interpolation=preset.interpolation.value,
        antialias=preset.antialias is not False,
    )
