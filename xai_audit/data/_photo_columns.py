"""Which columns of a table of photos hold what, by their types and by what Hugging Face notes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from xai_audit.data._names import shown
from xai_audit.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LABELS = ("label", "labels")


@dataclass(frozen=True)
class PhotoColumns:
    """The columns of a table of photos.

    Attributes:
        image: ``struct<bytes, path>`` or binary.
        label: of the class.
        split, group: as of an Entry, or None.
        nested: whether ``image`` is a struct.
        names: of the class indices, or None where labels name classes themselves.
        numbers: whether labels are whole numbers.
    """

    image: str
    label: str
    split: str | None
    group: str | None
    nested: bool
    names: tuple[str, ...] | None
    numbers: bool

    @property
    def photo(self) -> str:
        """The path of the photos' bytes among the table's leaves."""
        return f"{self.image}.bytes" if self.nested else self.image

    @property
    def read(self) -> list[str]:
        """All columns, each once."""
        wanted = (self.image, self.label, self.split, self.group)
        return list(dict.fromkeys(name for name in wanted if name is not None))


def columns_of(schema: pa.Schema, where: Path, wanted: dict[str, str | None]) -> PhotoColumns:
    """The columns of a table with ``schema``: those ``wanted``, else the only ones that fit.

    Args:
        schema: of the table.
        where: the file, for errors.
        wanted: ``image``, ``label``, ``split`` and ``group``; None to find it or to do without.

    Raises:
        DatasetError: a column is not there, is of another type, or cannot be told from others.
    """
    noted = _features(schema)
    for key, name in wanted.items():
        if name is not None and name not in schema.names:
            raise DatasetError(
                f"the table has no column {name}", where=shown(str(where)),
                expected=f"a column for dataset.{key}", got=", ".join(schema.names),
                remedy=f"correct dataset.{key}",
            )  # fmt: skip
    photos = [field.name for field in schema if _holds_photos(field.type)]
    known = [name for name in photos if noted.get(name, {}).get("_type") == "Image"]
    image = wanted["image"] or _only("image", known or photos, schema, where)
    if image not in photos:
        raise DatasetError(
            f"the column {image} holds no photos", where=shown(str(where)),
            expected="struct<bytes, path> or binary", got=schema.field(image).type,
            remedy="correct dataset.image",
        )  # fmt: skip
    classes = [name for name in schema.names if noted.get(name, {}).get("_type") == "ClassLabel"]
    common = [name for name in _LABELS if name in schema.names]
    label = wanted["label"] or _only("label", classes or common, schema, where)
    names = noted.get(label, {}).get("names")
    return PhotoColumns(
        image=image,
        label=label,
        split=wanted["split"],
        group=wanted["group"],
        nested=pa.types.is_struct(schema.field(image).type),
        names=tuple(map(str, names)) if isinstance(names, list) else None,
        numbers=pa.types.is_integer(schema.field(label).type),
    )


def _only(key: str, found: Sequence[str], schema: pa.Schema, where: Path) -> str:
    """The one column that fits; DatasetError where none or several do."""
    if len(found) != 1:
        raise DatasetError(
            f"which column is the {key} cannot be told", where=shown(str(where)),
            expected="one that fits", got=", ".join(found) or f"none of {', '.join(schema.names)}",
            remedy=f"dataset.{key}=COLUMN",
        )  # fmt: skip
    return found[0]


def _holds_photos(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        names = [kind.field(place).name for place in range(kind.num_fields)]
        return "bytes" in names and _is_binary(kind.field(names.index("bytes")).type)
    return _is_binary(kind)


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _features(schema: pa.Schema) -> dict[str, Any]:
    """Column -> what Hugging Face's datasets notes of it; empty where that is not understood."""
    try:
        noted = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        found = noted["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):  # brackets nested without end
        return {}
    return (
        {k: v for k, v in found.items() if isinstance(v, dict)} if isinstance(found, dict) else {}
    )
