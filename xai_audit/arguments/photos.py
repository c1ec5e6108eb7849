"""The overrides of photos and masks at a place, and what a dataset in memory is held as."""

from __future__ import annotations

import os
from pathlib import Path

from xai_audit.arguments.text import choices, override
from xai_audit.errors import ConfigError, DatasetError
from xai_audit.store.address import is_address

_MASK_FILES = {".json": "coco", ".csv": "boxes"}
_TABLES = {".csv", ".tsv", ".txt"}
_OWN = ("flowers", "flowers102")  # data sets of ours, which need no place


def photos_at(place: str) -> list[str]:
    """The overrides of photos in a folder, a table, shards or a data set of ours.

    Raises:
        DatasetError: nothing is there.
    """
    path = Path(place).expanduser()
    if is_address(place):
        return ["dataset=imagefolder", override("dataset.root", place)]
    if path.is_dir():
        return _folder(path)
    if path.is_file():
        is_listing = path.suffix.lower() in _TABLES or _has_paths(path)
        kind = "csv" if is_listing else "parquet"
        return [f"dataset={kind}", override("dataset.file", path)]
    if place in _OWN:
        return [f"dataset={place}"]
    raise DatasetError(
        "there are no such photos", where=place, got="neither a folder nor a file",
        expected="a folder of class folders, a CSV or Parquet file, or a Dataset of (image, label)",
    )  # fmt: skip


def _folder(path: Path) -> list[str]:
    """By what lies in it: shards, tables, what ``save_to_disk`` wrote, else class folders."""
    with os.scandir(path) as found:
        names = [(entry.name.lower(), entry.is_dir()) for entry in found]
    files = [name for name, is_folder in names if not is_folder]
    if {"dataset_info.json", "dataset_dict.json"} & {*files}:
        return ["dataset=huggingface", override("dataset.path", path)]
    if not any(is_folder for _, is_folder in names):
        if any(name.endswith(".tar") for name in files):
            return ["dataset=webdataset", override("dataset.root", path)]
        if any(name.endswith((".parquet", ".pq")) for name in files):
            return ["dataset=parquet", override("dataset.file", path)]
    return ["dataset=imagefolder", override("dataset.root", path)]


def _has_paths(file: Path) -> bool:
    """Whether a Parquet file names photos instead of holding them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        columns = pq.read_schema(file)
    except (pa.ArrowException, OSError):
        return False
    return "path" in columns.names and pa.types.is_string(columns.field("path").type)


def masks_at(masks: str | os.PathLike[str]) -> list[str]:
    """The overrides of masks in a folder or a file, or a choice of ``masks=``.

    Raises:
        ConfigError: nothing is there.
    """
    place = os.fspath(masks)
    if is_address(place):
        kind = _MASK_FILES.get(Path(place).suffix.lower())
        where = "root" if kind is None else "file"
        return [f"masks={kind or 'folder'}", override(f"masks.{where}", place)]
    path = Path(place).expanduser()
    if path.is_dir():
        files = (file.suffix.lower() for file in path.rglob("*") if file.suffix)
        kind = "voc" if next(files, "") == ".xml" else "folder"
        return [f"masks={kind}", override("masks.root", path)]
    if path.is_file() and path.suffix.lower() in _MASK_FILES:
        return [f"masks={_MASK_FILES[path.suffix.lower()]}", override("masks.file", path)]
    if place in choices("masks"):
        return [f"masks={place}"]
    raise ConfigError(
        "there are no such masks", where=place,
        expected="a folder of masks, a COCO file (.json), a table of boxes (.csv), or one of "
        + ", ".join(choices("masks")),
    )  # fmt: skip
