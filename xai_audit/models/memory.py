"""A module that the caller's program holds; what ``xai_audit.audit(module, photos)`` uses."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from types import CodeType
from typing import TYPE_CHECKING, Any

from xai_audit.config.held import Held
from xai_audit.errors import ModelError
from xai_audit.models._options import Options, finish
from xai_audit.models._timm_transform import preprocess_of
from xai_audit.network.copied import copied, unwrapped
from xai_audit.network.prepare import fingerprint
from xai_audit.run.paths import safe_name
from xai_audit.types import ModelSpec, Preprocess

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)

_HELD: Held[nn.Module] = Held()
# Keys of the other plugins that a module with its weights has no use for.
_NO_CHECKPOINT: dict[str, Any] = {
    "checkpoint": None, "trust_checkpoint": False, "weights_key": None, "num_classes": None,
}  # fmt: skip


def hold(module: nn.Module) -> str:
    """A key by which :func:`build` finds ``module`` while it is alive.

    Modules of the same class and forward with the same weights have the same key, so that the same
    audit again resumes.
    """
    inner = unwrapped(module)
    digest = hashlib.sha256(
        fingerprint(ModelSpec(module=inner, preprocess=Preprocess(), name="")).encode()
    )
    for layer in inner.modules():
        _add_code(digest, getattr(type(layer).forward, "__code__", None))
    key = f"{safe_name(type(inner).__name__)}-{digest.hexdigest()[:8]}"
    _HELD.put(key, module)
    return key


def _add_code(digest: hashlib._Hash, code: CodeType | None) -> None:
    """Add what a function does to ``digest``, wherever it stands in its file."""
    if code is None:
        return
    digest.update(code.co_code)
    digest.update(repr((code.co_names, code.co_varnames)).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _add_code(digest, constant)
        else:
            digest.update(repr(constant).encode())


def output_names(key: str) -> dict[int, str]:
    """Output -> class, as the configuration of a Hugging Face model names them; empty of others."""
    held = _HELD.get(key)
    module = None if held is None else unwrapped(held)
    names = getattr(getattr(module, "config", None), "id2label", None)
    if not isinstance(names, Mapping):
        return {}
    # As Hugging Face reads its file: a configuration made by hand may hold other types.
    return {int(n): str(name) for n, name in names.items() if str(n).isdecimal()}


def build(
    *,
    num_classes_of_dataset: int,  # noqa: ARG001 - every model plugin gets it
    key: str,
    **common: Any,  # noqa: ANN401 - Options names and types them
) -> ModelSpec:
    """The ModelSpec of a copy of a module that :func:`hold` was given.

    Args:
        num_classes_of_dataset: not used; the module has its outputs.
        key: of :func:`hold`.
        **common: the fields of :class:`Options` but those of a checkpoint.

    Raises:
        ModelError: this process holds no such module, or no longer; or it cannot be copied.
    """
    options = Options(**_NO_CHECKPOINT, **common)
    held = _HELD.get(key)
    if held is None:
        raise ModelError(
            "the model lies in the memory of another process, or is there no longer",
            where=f"model.key={key}",
            remedy="xai_audit.audit(module, photos) again; for several processes: its weights in a "
            "file, with model=custom",
        )
    module = copied(held)
    return finish(module, options, base=_base(module, options), name=key)


def _base(module: nn.Module, options: Options) -> Preprocess:
    """The eval transform that the module itself notes, else ImageNet's."""
    if getattr(module, "pretrained_cfg", None):
        return preprocess_of(module)
    if not any(value is not None for value in options.preprocess.values()):
        log.warning(
            "the module does not say how its input is made: ImageNet's eval transform is used "
            "(shorter side to 256, crop of 224); another one: audit(..., transform=...) with what "
            "it was evaluated with, or model.preprocess.KEY=..."
        )
    return Preprocess()
