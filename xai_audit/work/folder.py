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
    from collections.abc import Mapping

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
    plain = str(given_name(node))
    checkpoint = node.get("checkpoint")
    # A sweep of checkpoints has each of them in its member's name.
    if node.get("name") or not checkpoint or "checkpoint=" in spec.member:
        return plain, plain
    return plain, f"{plain}-{PurePosixPath(checkpoint).stem}"


def given_name(node: Mapping[str, Any]) -> str | None:
    """The name of a model or dataset by the keys that it was given; None where they have none."""
    # ``key`` is that of one in memory.
    keys = ("name", "arch", "factory", "function", "key")
    if found := next(filter(None, map(node.get, keys)), None):
        return str(found)
    path = node.get("path")  # of a folder, a name on the hub or an ONNX file
    return placed(str(path)).name.removesuffix(".onnx") if path else None


def _is_of(paths: RunPaths, spec: RunSpec) -> bool:
    """Whether the folder holds the audit of ``spec``."""
    noted = read_json(paths.run_json)
    return isinstance(noted, dict) and noted.get("identity") == identity(spec.keys)


# Keys of a group that change an audit without making it another one, and those that are files.
_SETTINGS = {
    "dataset": {"name", "class_to_idx", "separator", "classes", "links_outside"},
    "model": {"name", "preprocess", "target_layer", "head", "trust_checkpoint"},
}
_FILES = ("root", "file", "checkpoint")


def identity(keys: dict[str, Any]) -> dict[str, Any]:
    """What makes it this audit: another value of these is another audit, not a changed one."""
    found = {
        f"{group}.{key}": _value(key, value)
        for group, settings in _SETTINGS.items()
        for key, value in keys[group].items()
        if key not in settings and value is not None
    }
    return found | {"methods": [method["name"] for method in keys["methods"]]}


def _value(key: str, value: Any) -> Any:  # noqa: ANN401 - of any key
    """The value of a key, a file or folder from the root; a name on the hub is none."""
    if key in _FILES:
        return _absolute(value)
    here = Path(value).expanduser() if key == "path" else None
    return _absolute(str(here)) if here is not None and here.exists() else value


def _absolute(value: str) -> str:
    """A file or folder from the root, links as they are; an address as it is."""
    return spelled(placed(value)) if is_address(value) else os.path.abspath(value)  # noqa: PTH100 - links
