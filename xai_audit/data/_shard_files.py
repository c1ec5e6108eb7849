"""The shards that a folder or a pattern names."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from xai_audit.data._names import absolute, shown
from xai_audit.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_WILD = re.compile(r"[*?\[{]")
# More are a mistake in the pattern's numbers.
_MOST = 1_000_000


def split_pattern(given: str, key: str) -> tuple[Path, str | None]:
    """The fixed folder of a path with wildcards and the pattern below it.

    The pattern of a file is its name, of a folder None.

    Raises:
        DatasetError: there is no such file or folder.
    """
    wild = _WILD.search(given)
    if wild is not None and not absolute(given).exists():
        folder, _, _ = given[: wild.start()].rpartition("/")
        start = len(folder) + 1 if "/" in given[: wild.start()] else 0
        return absolute(folder or ("/" if start else ".")), given[start:]
    path = absolute(given)
    if not path.exists():
        raise DatasetError(
            f"no such file or folder: {key}", where=shown(str(path)), remedy=f"correct {key}"
        )
    return (path, None) if path.is_dir() else (path.parent, glob.escape(path.name))


def found_shards(root: Path, pattern: str | None, suffixes: Sequence[str], key: str) -> list[str]:
    """The shards below ``root`` in order, relative to it: all, or those of the pattern.

    Args:
        root: a folder.
        pattern: with ``*``, ``**``, ``{000..012}`` or ``{a,b}``; None: every file with a suffix.
        suffixes: of shards.
        key: that gave the pattern or the root, for the error.

    Raises:
        DatasetError: none is found, or one that the braces spell is not there.
    """
    wanted = [f"**/*{suffix}" for suffix in suffixes] if pattern is None else expanded(pattern)
    names: set[str] = set()
    for each in wanted:
        # Path.glob refuses patterns with a leading / and follows no link.
        matches = glob.glob(each, root_dir=root, recursive=True)  # noqa: PTH207
        matches = [name for name in matches if (root / name).is_file()]
        if not matches and pattern is not None:
            raise DatasetError(
                "a shard is missing", where=f"{key}={pattern}",
                expected=shown(str(root / each)), got="no such file",
                remedy=f"put it there or correct {key}",
            )  # fmt: skip
        names.update(matches)
    if not names:
        raise DatasetError(
            f"{key} holds no shard", where=shown(str(root)),
            expected=" or ".join(f"*{suffix}" for suffix in suffixes),
            got=_listed(root), remedy=f"correct {key}",
        )  # fmt: skip
    return sorted(os.path.normpath(name) for name in names)


def expanded(pattern: str) -> list[str]:
    """The patterns that braces spell, as the shell does: ``{00..02}`` and ``{a,b}``."""
    ready, waiting = [], [pattern]
    while waiting:
        each = waiting.pop()
        braces = _BRACES.search(each)
        if braces is None:
            ready.append(each)
            continue
        waiting += [
            each[: braces.start()] + word + each[braces.end() :] for word in _words(braces[1])
        ]
        if len(waiting) > _MOST:
            raise DatasetError("too many shards", where=pattern, expected=f"up to {_MOST}")
    return ready[::-1]


def _words(inside: str) -> list[str]:
    """What stands for the braces around ``inside``."""
    numbers = _RANGE.fullmatch(inside)
    if numbers is None:
        return inside.split(",")
    low, high = numbers.groups()
    width = max(len(low), len(high)) if "0" in (low[0], high[0]) else 0
    count = int(high) - int(low) + 1
    return [f"{int(low) + step:0{width}d}" for step in range(min(max(count, 0), _MOST + 1))]


def _listed(root: Path) -> str:
    """The first names in ``root``."""
    try:
        names = sorted(shown(name) for name in os.listdir(root))  # noqa: PTH208 - names alone
    except OSError as exc:
        return exc.strerror or str(exc)
    return ", ".join(names[:5]) or "an empty folder"
