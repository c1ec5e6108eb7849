"""Rows of the augmentation table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from xai_audit.schema import AUGMENTATION, OK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xai_audit.vision.loader import Batch

Row = dict[str, Any]
Values = list[Any]


@dataclass(frozen=True)
class Head:
    """An augmentation, and what explains the decision under it.

    Attributes:
        augmentation: name.
        strength: see ``names.STRENGTHS``.
        method: of the maps; None without maps.
        target_kind: that they explain.
    """

    augmentation: str
    strength: float
    method: str | None
    target_kind: str | None


def change_rows(head: Head, batch: Batch, values: Mapping[str, Values]) -> list[Row]:
    """A row for each photo of ``batch``.

    Args:
        head: the augmentation.
        batch: B photos.
        values: column -> B values; None and NaN are undefined. ``pred`` is None where the logits
            are not finite.
    """
    rows = []
    for number, record in enumerate(batch.records):
        found = {name: _known(each[number]) for name, each in values.items()}
        decided = found["pred"] is not None
        rows.append(
            vars(head)
            | {"image_id": record.image_id, "class_name": record.class_name}
            | {"label": record.label, "status": OK if decided else "not_finite"}
            | {"map_status": _map_status(head, found) if decided else "not_finite"}
            | found
        )
    return rows


def status_rows(heads: Sequence[Head], statuses: Mapping[str, str]) -> list[Row]:
    """Rows with nothing but a status: image id -> ``out_of_memory``, ``unreadable``, ..."""
    return [
        vars(head) | {"image_id": image_id, "status": status, "map_status": status}
        for image_id, status in statuses.items()
        for head in heads
    ]


def table_of(rows: Sequence[Row]) -> pa.Table:
    """The table of ``rows``; a column that a row lacks is null."""
    return pa.Table.from_pylist(list(rows), AUGMENTATION)


def _map_status(head: Head, found: Mapping[str, Any]) -> str:
    """``ok``, or why maps are not compared."""
    if head.method is None:
        return "method=many_forwards"
    if found["overlap"] is None:
        return "relevance=none"
    return OK if found["rank_correlation"] is not None else "relevance=flat"


def _known(value: Any) -> Any:  # noqa: ANN401 - a cell
    return None if value != value else value
