"""The page of a sweep: an audit a row, with its accuracy and what was confirmed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from xai_audit.errors import OutputError
from xai_audit.language import ENGLISH, say, speaking
from xai_audit.report.catalogue import in_language_of
from xai_audit.report.decided import decided
from xai_audit.report.heat import css_gradient
from xai_audit.report.templating import environment
from xai_audit.run.files import write_text
from xai_audit.run.reader import Run
from xai_audit.run.verdicts import cue_words, marked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path


def confirmed_in(folder: Path) -> list[tuple[str, str, bool]] | None:
    """The confirmed verdicts in ``folder``; None where it has no verdicts.

    Each is a class, a cue, and whether it rests on masks that a network made.
    """
    try:
        run = Run(folder)
        columns = ["class_name", "cue", "masks_made"]
        frames = [*run.scan("evidence", columns, pc.field("verdict") == "confirmed")]
    except OutputError:
        return None
    rows = [row for frame in frames for row in frame[columns].itertuples(index=False, name=None)]
    return list(dict.fromkeys((name, cue, made is True) for name, cue, made in rows))


def write_sweep(page: Path, members: Mapping[str, Path]) -> None:
    """Write ``page`` over the audits of a sweep, in the language of the first one's report.

    Args:
        page: its file.
        members: what is swept -> the output folder, in the order of the rows.
    """
    with _language_of(next(iter(members.values()), None)):
        rows = [_row(name, folder, page.parent) for name, folder in members.items()]
        template = environment().get_template("sweep.html.j2")
        html = template.render(title=say("Sweep"), rows=rows, gradient=css_gradient())
    write_text(page, html)


def _language_of(folder: Path | None) -> AbstractContextManager[None]:
    try:
        return speaking(ENGLISH) if folder is None else in_language_of(Run(folder))
    except OutputError:  # it failed before it had a record
        return speaking(ENGLISH)


def _row(name: str, folder: Path, home: Path) -> dict[str, Any]:
    found = confirmed_in(folder)
    index = folder / "report" / "index.html"
    return {
        "name": name,
        "link": os.path.relpath(index, home) if index.is_file() else None,
        "accuracy": _accuracy(folder),
        "confirmed": None if found is None else [_words(*cell) for cell in found],
    }


def _words(name: str, cue: str, made: bool) -> str:
    return marked(say("{name}: {cue}", name=name, cue=cue_words(cue)), made)


def _accuracy(folder: Path) -> float | None:
    """The share of right predictions, or decisions; None where nothing was predicted."""
    columns = ["image_id", "label", "pred"]
    try:
        if (several := decided(Run(folder))) is not None:
            return several.share
        seen: dict[str, bool] = {}
        for frame in Run(folder).scan("scores", columns):
            known = frame.dropna(subset=["label", "pred"])
            right = known["label"] == known["pred"]
            seen |= dict(zip(known["image_id"], right, strict=True))
    except OutputError:
        return None
    return sum(seen.values()) / len(seen) if seen else None
