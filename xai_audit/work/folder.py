"""Where the files of an audit go, and what makes it this audit and no other."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from xai_audit.run.files import read_json
from xai_audit.run.home import paths_of
from xai_audit.run.paths import RunPaths, safe_name
from xai_audit.store.address import is_address, placed, spelled

if TYPE_CHECKING:
    from xai_audit.config.spec import RunSpec


def folder_of(spec: RunSpec, dataset: str) -> RunPaths:
    """The files of the run, as they are there now."""
    if given := spec.settings.output_dir:
        return paths_of(f"{given}/{safe_name(spec.member)}" if spec.member else given)
    methods = "--".join(filter(None, ["+".join(spec.method_names), spec.member]))
    plain, full = _model_names(spec)
    earlier, found = (
        RunPaths(Path("outputs", *map(safe_name, (dataset, model, methods))))
        for model in (plain, full)
    )
    return (
        earlier if found != earlier and _is_of(earlier, spec) and not _is_of(found, spec) else found
    )


def _model_names(spec: RunSpec) -> tuple[str, str]:
    """The model's part of the folder as it once was, and as it is: with the checkpoint's name."""
    node = spec.settings.model
    # The last is that of a model in memory.
    plain = str(next(filter(None, map(node.get, ("name", "arch", "factory", "key"))), None))
    checkpoint = node.get("checkpoint")
    # A sweep of checkpoints has each of them in its member's name.
    if node.get("name") or not checkpoint or "checkpoint=" in spec.member:
        return plain, plain
    return plain, f"{plain}-{PurePosixPath(checkpoint).stem}"


def _is_of(paths: RunPaths, spec: RunSpec) -> bool:
    """Whether the folder holds the audit of ``spec``."""
    noted = read_json(paths.run_json)
    return isinstance(noted, dict) and noted.get("identity") == identity(spec.keys)


# Keys of a group that change an audit without making it another one, and those that are files.
_SETTINGS = {
    "dataset": {"name", "class_to_idx"},
    "model": {"name", "preprocess", "target_layer", "head", "trust_checkpoint"},
}
_FILES = ("root", "file", "checkpoint")


def identity(keys: dict[str, Any]) -> dict[str, Any]:
    """What makes it this audit: another value of these is another audit, not a changed one."""
    found = {
        f"{group}.{key}": _absolute(value) if key in _FILES else value
        for group, settings in _SETTINGS.items()
        for key, value in keys[group].items()
        if key not in settings and value is not None
    }
    return found | {"methods": [method["name"] for method in keys["methods"]]}


def _absolute(value: str) -> str:
    """A file or folder from the root, links as they are; an address as it is."""
    return spelled(placed(value)) if is_address(value) else os.path.abspath(value)  # noqa: PTH100 - links
