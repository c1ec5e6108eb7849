"""Heatmaps of another selection of the photos, found again photo by photo.

With another ``limit``, or with photos that were added, the parts hold other photos; with a method
that was added they may have other numbers. A photo's rows depend on the photo, the model and the
methods of a part alone, so that part files of an earlier plan are moved to ``kept/`` and their rows
taken from there: a sample after the whole costs nothing, and the whole after a sample only what the
sample does not have.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xai_audit.run.files import read_notes
from xai_audit.run.paths import RunPaths
from xai_audit.run.record import fingerprint
from xai_audit.schema import ATTRIBUTIONS
from xai_audit.store.address import home_of
from xai_audit.work.parts import FINGERPRINT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from xai_audit.attribute.main_pass import Explanations
    from xai_audit.work.stage import Part

_SAME, _PHOTOS, _PROBLEMS = "same", "photos", "problems"
_COLUMNS = ("class_name", "label", "file_bytes", "mtime_ns")


def noted(same: str, rows: pa.Table) -> dict[str, str]:
    """The notes by which the rows of a part file are found again.

    Args:
        same: a fingerprint of all that decides them, beside the photos.
        rows: of the manifest, those of the part.
    """
    return {_SAME: same, _PHOTOS: json.dumps(_photo_marks(rows))}


def keep(paths: RunPaths, parts: Sequence[Part]) -> None:
    """Move the part files that are none of ``parts``, which are planned, to ``kept/``.

    Those of other settings are left to be deleted. Of a run at home in a store none are kept.
    """
    if home_of(paths.root) is not None:
        return
    same = _marks(parts)
    planned = {RunPaths.part(paths.attributions, part.number): part.fingerprint for part in parts}
    for file in RunPaths.parts(paths.attributions):
        notes = read_notes(file)
        mark = notes.get(FINGERPRINT)
        if notes.get(_SAME) in same and mark not in (None, planned.get(file)):
            paths.kept.mkdir(exist_ok=True)
            file.replace(paths.kept / f"{mark}-{file.name}")


def prune(paths: RunPaths, parts: Sequence[Part], selected: Callable[[], pa.Table]) -> None:
    """Delete the kept files that are of other settings, or of selected photos alone.

    Args:
        paths: of the run.
        parts: of the plan, all of them made.
        selected: reads the rows of the manifest that are selected; called where files were kept.
    """
    files, same = _files(paths), _marks(parts)
    now = _photo_marks(selected()) if files else {}
    for file in files:
        notes = read_notes(file)
        photos = json.loads(notes.get(_PHOTOS, "{}"))
        if notes.get(_SAME) not in same or photos.items() <= now.items():
            file.unlink(missing_ok=True)


def explained(paths: RunPaths) -> frozenset[str]:
    """The ids of the photos that have heatmaps, selected now or kept."""
    files = [*RunPaths.parts(paths.attributions), *_files(paths)]
    return frozenset(
        one for file in files for one in json.loads(read_notes(file).get(_PHOTOS, "{}"))
    )


class Kept:
    """The rows of selected photos in the files that were kept.

    Args:
        paths: of the run.
        same: a fingerprint of all that decides the rows, beside the photos.
        rows: of the manifest, those selected.
    """

    def __init__(self, paths: RunPaths, same: str, rows: pa.Table) -> None:
        self._ids: pa.ChunkedArray = rows.column("image_id")
        self._file: dict[str, Path] = {}
        files = [(file, read_notes(file)) for file in _files(paths)]
        now = _photo_marks(rows) if files else {}
        for file, notes in files:
            if notes.get(_SAME) == same:
                photos = json.loads(notes[_PHOTOS])
                self._file |= {one: file for one, mark in photos.items() if now.get(one) == mark}

    def has(self, place: int) -> bool:
        """Whether the rows of the photo at ``place`` are there."""
        return bool(self._file) and self._ids[place].as_py() in self._file

    def add(self, found: Explanations, span: range) -> None:
        """Put the rows of the photos of ``span`` into ``found``, in the photos' order."""
        ids = self._ids.slice(span.start, len(span)).to_pylist()
        tables = [*found.attributions]
        for file in dict.fromkeys(self._file[one] for one in ids if one in self._file):
            mine = [one for one in ids if self._file.get(one) == file]
            table = pq.read_table(file, schema=ATTRIBUTIONS)
            tables.append(table.filter(pc.is_in(table.column("image_id"), pa.array(mine))))
            problems = json.loads(read_notes(file)[_PROBLEMS])
            found.problems |= {one: problems[one] for one in mine if one in problems}
        rows = pa.concat_tables([_plain(table) for table in tables])
        places = pc.index_in(rows.column("image_id"), pa.array(ids))
        order = pc.sort_indices(pa.table({"at": places}), sort_keys=[("at", "ascending")])
        found.attributions = [rows.take(order)]


def _marks(parts: Sequence[Part]) -> set[str]:
    """What decides the rows of ``parts``, beside the photos."""
    return {part.args["same"] for part in parts}


def _plain(table: pa.Table) -> pa.Table:
    """``table`` without the notes of its file."""
    return table.select(ATTRIBUTIONS.names).cast(ATTRIBUTIONS)


def _files(paths: RunPaths) -> list[Path]:
    return sorted(paths.kept.glob("*.parquet"))


def _photo_marks(rows: pa.Table) -> dict[str, str]:
    """Image id -> a fingerprint of its file, its class and its label."""
    columns: Iterator[tuple[Any, ...]] = zip(
        *(rows.column(name).to_pylist() for name in ("image_id", *_COLUMNS)), strict=True
    )
    return {one: fingerprint(*facts) for one, *facts in columns}
