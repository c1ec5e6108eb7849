"""Parquet files with the photos in them, as Hugging Face stores data sets."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, BinaryIO, cast

import pyarrow as pa

from xai_audit.data._classes import ordered, read_class_to_idx
from xai_audit.data._labels import classed, classes_of
from xai_audit.data._names import shown
from xai_audit.data._photo_table import REWRITE, TableReader
from xai_audit.data._shard_files import split_pattern
from xai_audit.data._shards import Shards
from xai_audit.errors import DatasetError
from xai_audit.run.paths import safe_name
from xai_audit.types import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xai_audit.data._photo_columns import PhotoColumns

log = logging.getLogger(__name__)


class ParquetPhotos:
    """The rows of Parquet files; a photo is ``file.parquet/<its path>``, or its row's number.

    Args:
        name: names the output folder; None: the file's own name.
        file: a Parquet file, a folder of them, or a pattern with ``*`` or ``{000..012}``.
        image: the column of the photos, ``struct<bytes, path>`` or binary; None: the only one.
        label: the column of the classes; None: the only ClassLabel, ``label`` or ``labels``.
        split: the column of the splits, or None.
        group: the column of the user's own grouping, or None.
        class_to_idx: JSON or CSV file, class name -> model output index, or None.
    """

    def __init__(  # noqa: PLR0913 - the keys of the YAML
        self,
        *,
        name: str | None,
        file: str,
        image: str | None,
        label: str | None,
        split: str | None,
        group: str | None,
        class_to_idx: str | None,
    ) -> None:
        """Read ``class_to_idx``; no table is touched yet."""
        self.root, pattern = split_pattern(file, "dataset.file")
        self._reader = TableReader(image, label, split, group)
        self._shards = Shards(self.root, pattern, "dataset.file", self._reader)
        given = os.path.basename(os.path.normpath(file)).partition("*")[0]  # noqa: PTH119
        stem = given.removesuffix(".parquet").removesuffix(".pq")
        self.name: str = safe_name(name or shown(stem or self.root.name))
        self.class_to_idx: dict[str, int] | None = read_class_to_idx(class_to_idx)

    def prepare(self) -> None:
        """Index the files that are new or have changed.

        Raises:
            DatasetError: there is no file, one lacks a column, or two name classes differently.
        """
        first = self._columns()
        slow = 0
        for shard in map(self.root.joinpath, self._shards.files()):
            if not shard.name.endswith(self._reader.suffixes):
                raise DatasetError(
                    "not Parquet by its name", where=shown(str(shard)),
                    expected=" or ".join(self._reader.suffixes), remedy="correct dataset.file",
                )  # fmt: skip
            try:
                columns, packed = self._reader.columns(shard), self._reader.packed(shard)
            except (pa.ArrowException, OSError):
                continue  # becomes a row
            slow = max(slow, packed)
            if columns.names != first.names:
                raise DatasetError(
                    "two files name other classes", where=shown(str(shard)),
                    expected=first.names, got=columns.names,
                    remedy="write them with the same ClassLabel, or dataset.file=ONE_OF_THEM",
                )  # fmt: skip
        if slow:
            log.warning(
                "photos are compressed: up to %.1f MB are unpacked to read one; faster: %s",
                slow / 2**20, REWRITE,
            )  # fmt: skip
        self.class_names()

    def class_names(self) -> tuple[str, ...]:
        """Every class in the order of the model's outputs; of a ClassLabel all that it names."""
        columns = self._columns()
        names = columns.names
        if names is None:
            labels = self._shards.unique("label")
            names = classes_of(labels) if columns.numbers else tuple(sorted(labels))
        if not names:
            raise DatasetError(
                "the tables have no label", where=shown(str(self.root)),
                expected=f"labels in the column {columns.label}", remedy="correct dataset.label",
            )  # fmt: skip
        return ordered(names, self.class_to_idx)

    def entries(self) -> Iterator[Entry]:
        """One entry a row, file by file in the files' order."""
        names = self._columns().names
        return self._shards.entries(
            lambda row: classed(row["label"], names, row["error"] or "the table gives no label")
        )

    def open(self, path: str) -> BinaryIO:
        """The bytes of the photo at ``root`` / file / name."""
        return cast("BinaryIO", self._shards.open(path))

    def _columns(self) -> PhotoColumns:
        """The columns of the first file that can be read."""
        files, fault = self._shards.files(), None
        for shard in files:
            try:
                return self._reader.columns(self.root / shard)
            except (pa.ArrowException, OSError) as exc:
                fault = exc
        raise DatasetError(
            "the table cannot be read", where=shown(str(self.root / files[0])),
            expected="Parquet", got=fault, remedy="correct dataset.file",
        )  # fmt: skip
