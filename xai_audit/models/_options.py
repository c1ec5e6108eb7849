"""The keys that all model plugins share, and how they are applied."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xai_audit.errors import ModelError
from xai_audit.models._checkpoint import load_into
from xai_audit.models._preprocess import override
from xai_audit.network.inputs import HEADS
from xai_audit.store.address import is_address, placed
from xai_audit.store.files import local_copy
from xai_audit.types import ModelSpec, Preprocess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Options:
    """The keys that all of ``conf/model/*.yaml`` have.

    Attributes:
        checkpoint: a file of weights, or None.
        trust_checkpoint: whether reading it may run the code inside.
        num_classes: K, or None to derive it.
        target_layer: dotted name, or None to find it.
        head: of HEADS, or None: softmax, but sigmoid for a single logit.
        preprocess: changes to the eval transform; None keeps a value.
        name: names the output folder, or None for the plugin's own.
    """

    checkpoint: str | None
    trust_checkpoint: bool
    num_classes: int | None
    target_layer: str | None
    head: str | None
    preprocess: Mapping[str, object]
    name: str | None

    def __post_init__(self) -> None:
        """Refuse a head that does not exist and a number of classes that no model has."""
        if self.head not in (None, *HEADS):
            raise ModelError(
                "unknown value",
                where="model.head",
                expected=f"{', '.join(HEADS)} or null",
                got=self.head,
            )
        given = self.num_classes
        if given is not None and (type(given) is not int or given < 1):
            raise ModelError(
                "a number of classes that no model has",
                where="model.num_classes",
                expected="an int of 1 or more, or null",
                got=given,
            )


def finish(
    module: nn.Module,
    options: Options,
    *,
    base: Preprocess,
    name: str,
    ignore: tuple[str, ...] = (),
) -> ModelSpec:
    """The ModelSpec of ``module`` after its checkpoint is loaded and its transform adjusted.

    Args:
        module: as the plugin built it.
        options: the shared keys.
        base: the eval transform before ``options.preprocess``.
        name: used where the options give none.
        ignore: beginnings of checkpoint keys that eval never uses.
    """
    preprocess = override(base, options.preprocess)
    if options.checkpoint is not None:
        file = _checkpoint(options.checkpoint)
        load_into(module, file, trust=options.trust_checkpoint, ignore=ignore)
    return ModelSpec(
        module=module,
        preprocess=preprocess,
        name=options.name or name,
        target_layer=options.target_layer,
        head=options.head,
    )


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
