"""What two runs have in common: photos, classes, cues and settings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from xai_audit.errors import OutputError
from xai_audit.evidence.columns import PHOTOS, SURVEY
from xai_audit.run.files import rows_of, scan
from xai_audit.run.paths import RunPaths
from xai_audit.run.verdicts import gravest
from xai_audit.schema import DISCOVERED, OK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xai_audit.run.reader import Run

    Cell = tuple[str, str, str]

# Bits of the perceptual hash in which the same photo may differ, resized for another model.
_NEAR = 6
_SETTINGS = ("seed", "regions", "preprocess", "limits")
_KEYS = ("limit", "masks", "cue", "stamp")


@dataclass(frozen=True)
class Side:
    """One run of a comparison.

    Attributes:
        name: by which it is called.
        run: its tables.
    """

    name: str
    run: Run

    @property
    def several_labels(self) -> bool:
        """Whether its photos may have several labels."""
        return self.run.has("decisions")

    @cached_property
    def cells(self) -> dict[Cell, dict[str, Any]]:
        """Class, cue and place -> its row of :func:`~xai_audit.run.verdicts.gravest`.

        The place is that of a discovered region: another run's with the same number lies elsewhere.
        """
        rows = rows_of(gravest(self.run.evidence))
        keys = [(str(row["class_name"]), str(row["cue"])) for row in rows]
        return {
            (*key, self._regions.get(key, "")): row for key, row in zip(keys, rows, strict=True)
        }

    @cached_property
    def _regions(self) -> dict[tuple[str, str], str]:
        if not self.run.has("clusters"):
            return {}
        rows = self.run.collect("clusters", ["class_name", "cue", "region", "height", "width"])
        rows = rows[rows["cue"].fillna("").str.startswith(DISCOVERED)]
        return {
            (name, cue): f"{height}x{width}:" + "".join(map(str, region))
            for name, cue, region, height, width in rows.itertuples(index=False)
        }

    @cached_property
    def photos(self) -> pd.DataFrame:
        """The usable photos by ``image_id``: ``class_name``, ``file_bytes`` and ``hash``."""
        columns = ["image_id", "class_name", "file_bytes", "status", "selected"]
        rows = self.run.collect("manifest", columns)
        rows = rows[(rows["status"] == OK) & rows["selected"]].set_index("image_id")
        hashes: dict[str, int] = {}
        files = RunPaths.parts(self.run.paths.survey)
        for frame in scan(files, SURVEY, ["image_id", "hash"]):
            first = frame.drop_duplicates("image_id")
            hashes |= dict(zip(first["image_id"], first["hash"].tolist(), strict=True))
        return rows.assign(hash=pd.Series(hashes, dtype=object).reindex(rows.index))

    @cached_property
    def clusters(self) -> dict[str, int]:
        """Image id -> the number that near-duplicates and photos of one group share."""
        file = self.run.paths.surveyed
        files = [file] if file.is_file() else []
        frames = [*scan(files, PHOTOS, ["image_id", "cluster"])]
        return {
            one: int(number)
            for frame in frames
            for one, number in zip(frame["image_id"], frame["cluster"], strict=True)
        }


@dataclass(frozen=True)
class Shared:
    """What a run shares with the reference.

    Attributes:
        photos: ids of the photos that both have, with the same content.
        changed: how many ids have another photo behind them in the other run.
        counts: usable photos of the reference and of the run.
        classes: that both have.
        cells: that both have: class, cue and place.
        only: how many classes the reference and the run have alone.
        settings: those that differ: key, the reference's value, the run's.
    """

    photos: frozenset[str]
    changed: int
    counts: tuple[int, int]
    classes: tuple[str, ...]
    cells: tuple[Cell, ...]
    only: tuple[int, int]
    settings: tuple[tuple[str, object, object], ...]


def shared(reference: Side, other: Side) -> Shared:
    """What ``other`` shares with ``reference``.

    Raises:
        OutputError: a table is missing or broken.
    """
    before, after = reference.photos, other.photos
    both = before.join(after.add_suffix("_other"), how="inner")
    same = [
        _is_same(*row)
        for row in both[["file_bytes", "file_bytes_other", "hash", "hash_other"]].itertuples(
            index=False, name=None
        )
    ]
    names = [[*dict.fromkeys(cell[0] for cell in side.cells)] for side in (reference, other)]
    common = {*names[0]} & {*names[1]}
    return Shared(
        photos=frozenset(both.index[same]),
        changed=len(both) - sum(same),
        counts=(len(before), len(after)),
        classes=tuple(name for name in names[0] if name in common),
        cells=tuple(cell for cell in reference.cells if cell in other.cells),
        only=(len(names[0]) - len(common), len(names[1]) - len(common)),
        settings=tuple(_differing(reference.run, other.run)),
    )


def check_labels(reference: Side, other: Side) -> None:
    """Raise OutputError where one run's photos have several labels and the other's have one."""
    if reference.several_labels != other.several_labels:
        raise OutputError(
            "photos of one label and photos of several are not compared",
            where=other.run.root,
            expected=f"{'several labels' if reference.several_labels else 'one label'} a photo, "
            f"as in {reference.run.root}",
            remedy="compare audits of the same table of photos",
        )


def joined(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """The clusters of both runs' photos: the reference's, others under numbers of their own."""
    most = max(before.values(), default=0) + 1
    return {one: number + most for one, number in after.items()} | dict(before)


def _is_same(size: Any, other_size: Any, mark: Any, other_mark: Any) -> bool:  # noqa: ANN401
    """Whether two files of one id hold one photo: as many bytes, and nearly the same hash."""
    known = not (pd.isna(mark) or pd.isna(other_mark))
    if known and (int(mark) ^ int(other_mark)).bit_count() > _NEAR:
        return False
    return bool(pd.isna(size) or pd.isna(other_size) or size == other_size)


def _differing(reference: Run, other: Run) -> list[tuple[str, object, object]]:
    """The settings that bear on a comparison and differ: ``regions.border``, 0.08, 0.12."""
    found: list[tuple[str, object, object]] = []
    methods = [(run.record.get("identity") or {}).get("methods") for run in (reference, other)]
    if methods[0] != methods[1]:
        found.append(("methods", methods[0], methods[1]))
    for before, after, keys in (
        (reference.record, other.record, _SETTINGS),
        (reference.config, other.config, _KEYS),
    ):
        one, two = _flat({k: before.get(k) for k in keys}), _flat({k: after.get(k) for k in keys})
        found += [
            (key, one.get(key), two.get(key))
            for key in dict.fromkeys([*one, *two])
            if one.get(key) != two.get(key)
        ]
    return found


def _flat(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value."""
    found: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        elif value is not None:
            found[f"{prefix}{key}"] = value
    return found


def names_of(folders: Sequence[Path]) -> list[str]:
    """What tells distinct ``folders`` apart: their paths without the parts that all share."""
    parts = [folder.absolute().parts for folder in folders]
    while all(len(one) > 1 for one in parts) and len({one[0] for one in parts}) == 1:
        parts = [one[1:] for one in parts]
    while all(len(one) > 1 for one in parts) and len({one[-1] for one in parts}) == 1:
        parts = [one[:-1] for one in parts]
    return ["/".join(one) for one in parts]
