"""The model output of each class: by the user's own table, or by the order of the names."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from xai_audit.data._names import absolute
from xai_audit.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_EXPECTED = (
    'a JSON object {"class": index} or {"index": "class"}, a JSON list of classes, a config.json '
    "with id2label, or a CSV with the columns class,index"
)
_KEY = "dataset.class_to_idx"
_NESTED = ("id2label", "label2id")


def read_class_to_idx(file: str | None) -> dict[str, int] | None:
    """Class name -> model output index from a JSON or CSV file; None where no file is given.

    Raises:
        DatasetError: if the file is missing, malformed, or names a class or an index twice.
    """
    if file is None:
        return None
    path = absolute(file)
    try:
        text = path.read_text(encoding="utf-8-sig")
        pairs = _csv_pairs(text) if path.suffix.lower() == ".csv" else _json_pairs(text)
        "".join(name for name, _ in pairs).encode()  # JSON may name halves of a character
    except OSError as exc:
        raise DatasetError(
            f"{_KEY} cannot be read", where=path, expected=_EXPECTED, got=exc.strerror,
            remedy=f"correct {_KEY}, or set it to null for the sorted class names",
        ) from exc  # fmt: skip
    except (ValueError, csv.Error, RecursionError) as exc:  # brackets nested without end
        raise DatasetError(
            f"{_KEY} is malformed", where=path, expected=_EXPECTED, got=exc,
            remedy="correct the file",
        ) from exc  # fmt: skip
    return _checked(pairs, path)


def ordered(names: Iterable[str], class_to_idx: dict[str, int] | None) -> tuple[str, ...]:
    """``names`` in the order of the model's outputs; as given where the user gave no table.

    Raises:
        DatasetError: if the table lacks one of the names.
    """
    names = tuple(names)
    if class_to_idx is None:
        return names
    missing = [name for name in names if name not in class_to_idx]
    if missing:
        raise DatasetError(
            f"{_KEY} lacks {len(missing)} of {len(names)} classes",
            expected=", ".join(map(repr, missing[:5])) + (", ..." if len(missing) > 5 else ""),
            got=", ".join(map(repr, list(class_to_idx)[:5])) or "no class",
            remedy="add them to the file, spelled as the dataset spells them",
        )
    return tuple(sorted(names, key=class_to_idx.__getitem__))


class _Pairs(list[tuple[str, Any]]):
    """The items of a JSON object, a key that is given twice included."""


def _json_pairs(text: str) -> list[tuple[str, Any]]:
    """The (name, index) pairs of JSON: an object in either direction, or the names in order.

    An object with ``id2label`` or ``label2id``, as Hugging Face's models have, is what is in there.
    """
    found = json.loads(text, object_pairs_hook=_Pairs)
    if isinstance(found, _Pairs):
        inner = [value for key, value in found if key in _NESTED and isinstance(value, _Pairs)]
        # Of two numbers the direction is known there alone.
        known, found = bool(inner), inner[0] if inner else found
        is_index = [key.isdigit() and isinstance(value, str) for key, value in found]
        if all(is_index) and found and (known or not any(v.isdigit() for _, v in found)):
            return [(name, int(index)) for index, name in found]
        return [(str(name), index) for name, index in found]
    if isinstance(found, list) and all(isinstance(name, str) for name in found):
        return [(name, index) for index, name in enumerate(found)]
    message = f"JSON {type(found).__name__}"
    raise ValueError(message)


def _csv_pairs(text: str) -> list[tuple[str, Any]]:
    """The (name, index) pairs of a CSV's first two columns; a header row is optional."""
    pairs: list[tuple[str, Any]] = []
    for number, row in enumerate(csv.reader(text.splitlines(keepends=True), strict=True), start=1):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) < 2:
            message = f"one column in row {number}"
            raise ValueError(message)
        index = row[1].strip()
        if index.isascii() and index.isdigit():
            pairs.append((row[0], int(index)))
        elif number > 1:
            message = f"index {row[1]!r} in row {number}"
            raise ValueError(message)
    return pairs


def _checked(pairs: list[tuple[str, Any]], path: Path) -> dict[str, int]:
    """``pairs`` as a mapping, each name and each index once, indices whole and not negative."""
    names: dict[str, int] = {}
    owner: dict[int, str] = {}
    for name, index in pairs:
        # bool is an int to Python, but {"rose": true} is a mistake.
        if isinstance(index, bool) or not isinstance(index, int) or index < 0:
            problem = f"index {index!r} of class {name!r}"
        elif name in names:
            problem = f"class {name!r} twice"
        elif index in owner:
            problem = f"index {index} for {owner[index]!r} and {name!r}"
        else:
            names[name], owner[index] = index, name
            continue
        raise DatasetError(
            f"{_KEY} is malformed", where=path, got=problem,
            expected="each class once with its own whole number from 0", remedy="correct the file",
        )  # fmt: skip
    if not names:
        raise DatasetError(
            f"{_KEY} names no class", where=path, expected=_EXPECTED, remedy="fill the file"
        )
    return names
