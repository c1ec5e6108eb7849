"""Labels as shards store them, whole numbers or names, and the classes that they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from xai_audit.data._names import absolute, shown
from xai_audit.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEY = "dataset.classes"
_EXPECTED = "one name a line, or a JSON list of names"
# A label that is a number is the index of a class; above it is a number of another kind.
_MOST_CLASSES = 100_000


def read_names(file: str | None) -> tuple[str, ...] | None:
    """The classes' names in the order of their indices; None where no file is given.

    Raises:
        DatasetError: the file is missing, malformed or names a class twice.
    """
    if file is None:
        return None
    path = absolute(file)
    try:
        text = path.read_text(encoding="utf-8-sig")
        names = json.loads(text) if text.lstrip().startswith("[") else text.splitlines()
        "".join(map(str, names)).encode()  # JSON may name halves of a character
    except (OSError, ValueError, RecursionError) as exc:  # brackets nested without end
        raise DatasetError(
            f"{_KEY} cannot be read", where=path, expected=_EXPECTED,
            got=getattr(exc, "strerror", None) or exc, remedy=f"correct {_KEY}",
        ) from exc  # fmt: skip
    while names and names[-1] == "":
        names.pop()
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if not names or twice or not all(isinstance(name, str) and name for name in names):
        got = f"{twice[0]!r} twice" if twice else "an empty name or no text" if names else "nothing"
        raise DatasetError(
            f"{_KEY} is malformed", where=path, expected=_EXPECTED, got=got,
            remedy="correct the file",
        )  # fmt: skip
    return tuple(names)


def as_label(value: object) -> str | None:
    """A stored label as text, None for a missing one.

    Raises:
        ValueError: what can be no label; says what it is.
    """
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int):
        return shown(str(value)) or None
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace") or None
    message = f"the label is a {type(value).__name__}"
    raise ValueError(message)


def class_of(label: str, names: Sequence[str] | None) -> str:
    """The class's name: by its index among ``names``, or the label itself.

    Raises:
        ValueError: an index that ``names`` has not; says so.
    """
    if names is None or label in names or not _is_index(label):
        return label
    if int(label) >= len(names):
        message = f"label {label}, of {len(names)} classes"
        raise ValueError(message)
    return names[int(label)]


def classed(label: str | None, names: Sequence[str] | None, absent: str) -> tuple[str | None, str]:
    """The class of a stored label, or None and why it has none: ``absent`` without a label."""
    if label is None:
        return None, absent
    try:
        return class_of(label, names), ""
    except ValueError as exc:
        return None, str(exc)


def classes_of(labels: set[str]) -> tuple[str, ...]:
    """The classes of ``labels``: of indices all up to the largest, else the sorted names.

    An index without a photo is a class, too: leaving it out would move all that follow to another
    output of the model.
    """
    if labels and all(map(_is_index, labels)):
        highest = max(map(int, labels))
        if highest < _MOST_CLASSES and labels <= {*map(str, range(highest + 1))}:
            return tuple(map(str, range(highest + 1)))
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))


def _is_index(label: str) -> bool:
    return label.isascii() and label.isdigit() and len(label) < 19
