"""The model outputs of a dataset's classes, by the names that a model gives its outputs.

Only Hugging Face's configurations have such names. They are read without opening the model.
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)

_HUGGING_FACE = "xai_audit.models.huggingface.build"
_MEMORY = "xai_audit.models.memory.build"
_PLACEHOLDER = re.compile(r"LABEL_\d+")


def outputs_by_name(keys: Mapping[str, Any], classes: Sequence[str]) -> dict[str, int] | None:
    """Class -> output index, in the outputs' order; None where the model has no names for all.

    Case, underscores, hyphens and spaces make no difference.

    Args:
        keys: of the model plugin.
        classes: the dataset's.
    """
    names = _names(keys)
    if names is None:
        return None
    plain = [_plain(name) for name in names]
    counts = Counter(plain)
    # Of two outputs with one name none is meant; ImageNet has two cranes.
    index = {name: number for number, name in enumerate(plain) if counts[name] == 1}
    wanted = {name: index.get(_plain(name)) for name in classes}
    found = {name: number for name, number in wanted.items() if number is not None}
    if len({*found.values()}) < len(classes):
        absent = next((name for name in classes if _plain(name) not in counts), None)
        log.warning(
            "the model's class names are not the dataset's (%s): its outputs are taken to be "
            "the classes in their sorted order; dataset.class_to_idx=FILE says another",
            "two are alike" if absent is None else f"none is {absent!r}",
        )
        return None
    if list(found.values()) != list(range(len(names))):
        log.info("each class is the output of the same name, of the model's %d outputs", len(names))
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def _names(keys: Mapping[str, Any]) -> list[str] | None:
    """The outputs' names by index, None where there are none."""
    given = _given(keys)
    names = [given[number] for number in range(len(given)) if number in given]
    if len(names) < len(given) or not names or all(map(_PLACEHOLDER.fullmatch, names)):
        return None
    return names if keys.get("num_classes") in (None, len(names)) else None


def _given(keys: Mapping[str, Any]) -> dict[int, str]:
    """Output -> name; empty where there are none."""
    if keys.get("_target_") == _MEMORY:
        from xai_audit.models.memory import output_names

        return output_names(str(keys.get("key")))
    # A checkpoint of the user's own may have other classes.
    own = keys.get("_target_") == _HUGGING_FACE and not keys.get("checkpoint")
    file = _config(keys) if own else None
    if file is None:
        return {}
    try:
        given = json.loads(file.read_text(encoding="utf-8")).get("id2label") or {}
        return {int(number): str(name) for number, name in given.items()}
    # Opening the model says more.
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as exc:
        log.debug("%s names no classes: %s: %s", file, type(exc).__name__, exc)
        return {}


def _config(keys: Mapping[str, Any]) -> Path | None:
    """The configuration file in the folder, or of the name on the hub."""
    path, name = str(keys.get("path")), "config.json"
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder / name
    try:
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(path, name, revision=keys.get("revision")))
    # No package, no network, no such name: opening the model says which.
    except Exception as exc:
        log.debug("no %s of %s: %s: %s", name, path, type(exc).__name__, exc)
        return None
