"""What a bench reports, and the plain table that it is printed as."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_BOUND = "-"
_SKIPPED = "skipped: "


@dataclass(frozen=True)
class Row:
    """One measured number.

    Attributes:
        what: was measured, and on what.
        bound: as text; NO_BOUND where the number is only told.
        measured: as text.
        met: whether it is within its bound; a number that is only told or skipped always is.
        command: how to have it again.
    """

    what: str
    bound: str
    measured: str
    met: bool
    command: str

    @property
    def status(self) -> str:
        """``met``, ``MISSED``, ``skipped``, or NO_BOUND where there is none."""
        if not self.met:
            return "MISSED"
        if self.measured.startswith(_SKIPPED):
            return "skipped"
        return NO_BOUND if self.bound == NO_BOUND else "met"


def skipped(what: str, bound: str, reason: str, command: str) -> Row:
    """The row of a bench that could not be run here, which is no failure."""
    return Row(what, bound, f"{_SKIPPED}{reason}", met=True, command=command)


def table(rows: Sequence[Row]) -> str:
    """``rows`` as aligned text, one line a row, a header above."""
    header = [f.name for f in fields(Row)]
    lines = [header] + [
        [_one_line(text) for text in (r.what, r.bound, r.measured, r.status, r.command)]
        for r in rows
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
