"""The section on whether each method's maps can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_audit.report.words import two
from xai_audit.run.scan import rows_of
from xai_audit.schema import RANDOM

if TYPE_CHECKING:
    from xai_audit.run.reader import Run

# Column, heading, and what it says.
_COLUMNS = (
    ("similarity_all", "Similarity with random weights"),
    ("similarity_half", "… in the upper half"),
    ("similarity_head", "… in the last layer"),
    ("road", "ROAD"),
    ("insertion", "Insertion"),
    ("deletion", "Deletion"),
    ("infidelity", "Infidelity"),
    ("sensitivity", "Sensitivity"),
    ("completeness_error", "Completeness error"),
)


def trust(run: Run) -> dict[str, Any] | None:
    """``columns``, ``rows``, ``failed`` methods and why others are ``unknown``; None: not checked.

    A row has ``method``, ``n_images``, ``trusted``, ``because`` and ``cells``, texts with the
    interval, None where undefined; maps of noise come last. A column without a value is left out.
    """
    rows = rows_of(run.methods) if run.has("methods") else []
    if not any(row["method"] != RANDOM for row in rows):
        return None
    columns = [c for c in _COLUMNS if any(row[c[0]] is not None for row in rows)]
    rows = sorted(rows, key=lambda row: row["method"] == RANDOM)
    shown = [
        {name: row[name] for name in ("method", "n_images", "trusted", "because")}
        | {
            "noise": row["method"] == RANDOM,
            "cells": [_cell(row, column) for column, _ in columns],
        }
        for row in rows
    ]
    return {
        "columns": [heading for _, heading in columns],
        "rows": shown,
        "failed": [row["method"] for row in rows if row["trusted"] is False],
        "unknown": {
            row["method"]: row["because"]
            for row in rows
            if row["trusted"] is None and row["method"] != RANDOM
        },
    }


def _cell(row: dict[str, Any], column: str) -> tuple[str, str] | None:
    """The mean and its interval as texts."""
    if row[column] is None:
        return None
    low, high = row[f"{column}_low"], row[f"{column}_high"]
    interval = "" if low is None else f"{two(low)} to {two(high)}"
    return two(row[column]), interval
