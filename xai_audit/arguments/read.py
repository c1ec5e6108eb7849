"""``arguments()``: what was given to ``xai_audit.audit``, as overrides of the command line.

From there on it is the command line's audit: objects in memory are held under a key, and everything
else is text that Hydra composes.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_audit.arguments.model import of_model
from xai_audit.arguments.photos import masks_at, photos_at
from xai_audit.arguments.text import override, overrides
from xai_audit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xai_audit.data._samples import Samples

_OVERRIDE = re.compile(r"(\+{0,2}|~)[\w./@:+-]+=|~[\w.]+$")


@dataclass(frozen=True)
class Arguments:
    """An audit as Python described it.

    Attributes:
        overrides: as on the command line.
        held: objects that must live as long as the run is in use.
    """

    overrides: list[str]
    held: tuple[object, ...] = ()


def arguments(
    positional: Sequence[object],
    *,
    masks: str | os.PathLike[str] | None,
    method: str | Sequence[str] | None,
    transform: object | None,
    keys: Mapping[str, object],
) -> Arguments:
    """The overrides that ``audit(*positional, masks=..., ...)`` means.

    Args:
        positional: a model and photos, either of which may be None, then overrides.
        masks: a folder or file of masks, or a choice of ``masks=``.
        method: a name or several.
        transform: the model's eval transform.
        keys: of the configuration; nested ones as mappings.

    Raises:
        ConfigError: an argument that is none of these.
    """
    model, photos, given = _split(positional)
    found, held = [], [model]
    if model is not None:
        found += of_model(model)
    if isinstance(photos, (str, os.PathLike)):
        found += photos_at(os.fspath(photos))
    elif photos is not None:
        key, samples = _held(photos)
        found += ["dataset=memory", override("dataset.key", key)]
        held.append(samples)
        if transform is None and not isinstance(model, str) and not _has_preprocess(keys, given):
            found += _own_transform(samples)
    if masks is not None:
        found += masks_at(os.fspath(masks))
    if transform is not None:
        found += _transformed(transform)
    if method is not None:
        one = isinstance(method, str)
        found.append(f"method={method}" if one else override("methods", [*method]))
    return Arguments([*found, *overrides(keys), *given], tuple(held))


def _split(positional: Sequence[object]) -> tuple[Any, Any, list[str]]:
    """The model, the photos, and the overrides behind them."""
    given = [*positional]
    objects = [given.pop(0) for _ in range(2) if given and not _is_override(given[0])]
    if wrong := [each for each in given if not _is_override(each)]:
        raise ConfigError(
            "an argument that is no override", where="audit", got=repr(wrong[0])[:80],
            expected="audit(model, photos, 'key=value', ..., key=value)",
        )  # fmt: skip
    model, photos = [*objects, None, None][:2]
    return model, photos, [*map(str, given)]


def _is_override(given: object) -> bool:
    """Whether it is ``key=value``, and no path with an equals sign in it."""
    return isinstance(given, str) and bool(_OVERRIDE.match(given)) and not Path(given).exists()


def _held(photos: object) -> tuple[str, Samples]:
    from xai_audit.data.memory import hold

    return hold(photos)


def _has_preprocess(keys: Mapping[str, object], given: Sequence[str]) -> bool:
    """Whether the caller says how the model's input is made."""
    model = keys.get("model")
    named = isinstance(model, dict) and "preprocess" in model
    return named or any("model.preprocess" in each for each in [*keys, *given])


def _own_transform(samples: Samples) -> list[str]:
    """The keys of ``model.preprocess`` for the transform of a dataset in memory."""
    if samples.transform is None:
        return []
    try:
        # Pictures that need no resize have the size of the first.
        return _transformed(samples.transform, size=samples.size())
    except ConfigError as exc:
        raise ConfigError(
            "the dataset's own transform is not the eval transform of a classifier",
            where=f"{samples.name}.transform", got=exc,
            remedy="audit(..., transform=...) with what the model was evaluated with",
        ) from exc  # fmt: skip


def _transformed(transform: object, size: tuple[int, int] | None = None) -> list[str]:
    """The keys of ``model.preprocess`` for ``transform``."""
    from xai_audit.models._transforms import keys_of

    return [*overrides(keys_of(transform, size=size), "model.preprocess.")]
