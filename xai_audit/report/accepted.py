"""Cells that somebody has accepted: what is known of a model, why it may stay, and until when.

``accepted.yaml`` is a list, of which each entry has all four keys::

    - cell: daisy/background   # class/cue
      reason: every daisy of this customer grows on a lawn
      by: Ada Lovelace
      until: 2027-01-31        # the last day
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from xai_audit.errors import ConfigError, similar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DEFAULT = Path("accepted.yaml")
_KEYS = ("cell", "reason", "by", "until")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Acceptance:
    """A cell that may stay as it is.

    Attributes:
        cell: ``class/cue``.
        reason: why.
        by: who accepts it.
        until: the last day.
    """

    cell: str
    reason: str
    by: str
    until: date

    def holds(self, today: date) -> bool:
        """Whether it has not expired."""
        return today <= self.until


def read_accepted(file: str | None, allow: Sequence[str] | None = None) -> tuple[Acceptance, ...]:
    """The acceptances of a file, in its order.

    Args:
        file: its path; None: ``accepted.yaml`` of the current folder, where there is one.
        allow: the cells that are taken; None: all.

    Raises:
        ConfigError: no such file, an entry that is not complete, a date that is none, a cell that
            is allowed and that the file does not accept.
    """
    place = _DEFAULT if file is None else Path(file).expanduser()
    found = () if file is None and not place.is_file() else tuple(_entries(place))
    if allow is None:
        return found
    known = {each.cell: each for each in found}
    for cell in allow:
        if cell not in known:
            near = similar(cell, known)
            example = f"- {{cell: {cell}, reason: ..., by: ..., until: YYYY-MM-DD}}"
            raise ConfigError(
                "a cell is allowed that nobody has accepted",
                where=f"gate.allow=[{cell}]",
                expected=f"an entry in {place}",
                remedy=f"did you mean '{near[0]}'?" if near else f"add {example}",
            )
    return tuple(each for each in found if each.cell in {*allow})


def unknown_cells(
    accepted: Iterable[Acceptance], cells: Iterable[tuple[str, str]]
) -> dict[str, str]:
    """Accepted cell that is none of ``cells`` (class, cue) -> the one like it, or ``""``."""
    known = [f"{name}/{cue}" for name, cue in cells]
    names = {*known}
    missing = [each.cell for each in accepted if each.cell not in names]
    return {cell: next(iter(similar(cell, known)), "") for cell in missing}


def _entries(place: Path) -> list[Acceptance]:
    # Of the base loader every value is the text that was written: 2027-02-30 stays one, too.
    try:
        listed = yaml.load(place.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except OSError as exc:
        raise _error("cannot read the accepted cells", place, got=exc.strerror) from exc
    except (yaml.YAMLError, ValueError) as exc:
        said = " ".join(str(exc).split())
        raise _error("cannot read the accepted cells", place, got=said) from exc
    if not isinstance(listed, list):
        kind = "nothing" if not listed else type(listed).__name__
        expected = "a list of entries, each with cell, reason, by and until"
        raise _error("not a list of accepted cells", place, expected=expected, got=kind)
    entries = [_entry(each, f"{place}, entry {n}") for n, each in enumerate(listed, start=1)]
    cells = [each.cell for each in entries]
    if twice := next((cell for cell in cells if cells.count(cell) > 1), None):
        raise _error("a cell is accepted twice", place, got=twice)
    return entries


def _entry(given: Any, where: str) -> Acceptance:  # noqa: ANN401 - what the file holds
    if not isinstance(given, dict) or {*given} != {*_KEYS}:
        got = ", ".join(map(str, given)) if isinstance(given, dict) else repr(given)
        expected = f"the keys {', '.join(_KEYS)}"
        raise _error("an accepted cell is not complete", where, expected=expected, got=got)
    for key, value in given.items():
        if not isinstance(value, str) or not value.strip():
            raise _error("bad value", f"{where}, {key}", expected="a text", got=repr(value))
    name, _, cue = given["cell"].rpartition("/")
    if not name or not cue:
        raise _error("bad value", f"{where}, cell", expected="class/cue", got=given["cell"])
    return Acceptance(given["cell"], given["reason"], given["by"], _day(given["until"], where))


def _day(text: str, where: str) -> date:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise _error("not a day", f"{where}, until", expected="YYYY-MM-DD", got=text)


def _error(what: str, where: object, **more: object) -> ConfigError:
    return ConfigError(what, where=where, **more)
