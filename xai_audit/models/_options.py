"""The keys that all model plugins share, and how they are applied."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xai_audit.errors import ModelError
from xai_audit.models._checkpoint import classes_in, load_into
from xai_audit.models._head import fit_head
from xai_audit.models._preprocess import override
from xai_audit.models._state_dict import read_state_dict
from xai_audit.network.inputs import HEADS
from xai_audit.store.address import is_address, placed, spelled
from xai_audit.store.files import local_copy
from xai_audit.types import ModelSpec, Preprocess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Options:
    """The keys that all of ``conf/model/*.yaml`` have.

    Attributes:
        checkpoint: a file of weights, or None.
        trust_checkpoint: whether reading it may run the code inside.
        weights_key: of the weights in a training checkpoint, or None to find them.
        num_classes: K, or None to derive it.
        target_layer: dotted name, or None to find it.
        head: of HEADS, or None: softmax, but sigmoid for a single logit.
        preprocess: changes to the eval transform; None keeps a value.
        name: names the output folder, or None for the plugin's own.
    """

    checkpoint: str | None
    trust_checkpoint: bool
    weights_key: str | None
    num_classes: int | None
    target_layer: str | None
    head: str | None
    preprocess: Mapping[str, object]
    name: str | None

    def __post_init__(self) -> None:
        """Refuse a head that does not exist and a number of classes that no model has."""
        check_head(self.head)
        given = self.num_classes
        if given is not None and (type(given) is not int or given < 1):
            raise ModelError(
                "a number of classes that no model has",
                where="model.num_classes",
                expected="an int of 1 or more, or null",
                got=given,
            )


def check_head(head: str | None) -> None:
    """Raise ModelError for a head that does not exist."""
    if head not in (None, *HEADS):
        raise ModelError(
            "unknown value",
            where="model.head",
            expected=f"{', '.join(HEADS)} or null",
            got=head,
        )


def trained(
    make: Callable[[int], nn.Module],
    options: Options,
    *,
    classes: int,
    code: str,
    ignore: tuple[str, ...] = (),
) -> nn.Module:
    """``make(K)`` with the checkpoint's weights, where there is one.

    K is ``num_classes``, else that of the checkpoint, else ``classes``. A linear classifier that
    the network was given for training is rebuilt.

    Args:
        make: the network with K outputs.
        options: the shared keys.
        classes: K where nothing says it.
        code: Python that makes the network as ``net``, for an error.
        ignore: beginnings of checkpoint keys that eval never uses.
    """
    module = make(options.num_classes or classes)
    if options.checkpoint is None:
        return module
    file = _checkpoint(options.checkpoint)
    given = read_state_dict(file, trust=options.trust_checkpoint, key=options.weights_key)
    if options.num_classes is None and (found := classes_in(given, module, ignore)):
        log.info("%s: a network of %d outputs", spelled(file), found)
        module = make(found)
    fit_head(module, given, file, code=code, classes=options.num_classes, ignore=ignore)
    load_into(module, given, file, ignore=ignore)
    return module


def finish(module: nn.Module, options: Options, *, base: Preprocess, name: str) -> ModelSpec:
    """The ModelSpec of ``module``, which has its weights, with its transform adjusted.

    Args:
        module: as the plugin built it.
        options: the shared keys.
        base: the eval transform before ``options.preprocess``.
        name: used where the options give none.
    """
    return ModelSpec(
        module=module,
        preprocess=override(base, options.preprocess),
        name=options.name or name,
        target_layer=options.target_layer,
        head=options.head,
    )


def load(module: nn.Module, options: Options) -> None:
    """Give ``module`` the weights of the checkpoint, where there is one."""
    if options.checkpoint is not None:
        file = _checkpoint(options.checkpoint)
        key = options.weights_key
        load_into(module, read_state_dict(file, trust=options.trust_checkpoint, key=key), file)


def _checkpoint(given: str) -> Path:
    """The file of weights: the user's, or a copy of the object at an address.

    Raises:
        ModelError: the object cannot be had.
    """
    if not is_address(given):
        return Path(given).expanduser()
    try:
        return local_copy(placed(given))
    except OSError as exc:
        raise ModelError(
            "the checkpoint cannot be read from its store",
            where=given,
            got=exc.strerror,
            remedy=getattr(exc, "remedy", "correct model.checkpoint"),
        ) from exc
