"""Whether each method's maps are to be trusted, as the page tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_audit.report.answers import read_rows
from xai_audit.schema import METHODS, RANDOM

if TYPE_CHECKING:
    from xai_audit.report.facts import RunFacts
    from xai_audit.run.paths import RunPaths

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


def trust(paths: RunPaths, facts: RunFacts) -> dict[str, Any] | None:
    """``columns``, ``rows``, ``failed`` methods and why others are ``unknown``; None: not checked.

    A row has ``method``, ``n_images``, ``trusted``, ``because`` and ``cells``, texts with the
    interval, None where undefined; maps of noise come last. A column without a value is left out.
    """
    rows = read_rows(paths.methods, METHODS) if facts.is_finished("trust") else []
    if not any(row["method"] != RANDOM for row in rows):
        return None
    columns = [c for c in _COLUMNS if any(row[c[0]] is not None for row in rows)]
    rows = sorted(rows, key=lambda row: row["method"] == RANDOM)
    told = [
        {name: row[name] for name in ("method", "n_images", "trusted", "because")}
        | {
            "noise": row["method"] == RANDOM,
            "cells": [_cell(row, column) for column, _ in columns],
        }
        for row in rows
    ]
    return {
        "columns": [heading for _, heading in columns],
        "rows": told,
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
    interval = "" if low is None else f"{_two(low)} to {_two(high)}"
    return _two(row[column]), interval


def _two(value: float) -> str:
    """Two decimals with a proper minus, and no minus zero."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}")
