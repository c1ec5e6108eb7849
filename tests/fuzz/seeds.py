"""The inputs that are mutated: those of the corpus, and a few sound ones."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.data.shards import IMAGE, table
from tests.hostile import checkpoints, masks, photos, tables, tars
from tests.hostile.case import Case


def contents(cases: Sequence[Case], folder: Path, *, inside: bool = True) -> list[bytes]:
    """The bytes that cases of the corpus write, in a folder or (not ``inside``) at a path."""
    found = []
    for case in cases:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            file = Path(scratch, str(case.name or "seed"))
            case.make(Path(scratch) if inside else file)
            if file.is_file():
                found.append(file.read_bytes())
    return found


@functools.cache
def seeds(name: str, folder: Path) -> list[bytes]:
    """The sound and hostile inputs of a target, small ones only: a mutation should be felt."""
    made = {
        "image": lambda: contents(photos.CASES, folder, inside=False),
        "mask": lambda: contents(masks.CASES, folder, inside=False),
        "csv": lambda: contents(tables.TABLES, folder),
        "coco": lambda: contents(tables.COCO, folder),
        "voc": lambda: contents(tables.VOC, folder),
        "tar": lambda: contents(tars.CASES, folder),
        "parquet": lambda: _photo_tables(folder),
        "checkpoint": lambda: contents(checkpoints.CASES, folder, inside=False),
        "boxes": lambda: [b"path,x_min,y_min,x_max,y_max\nx/a.jpg,1,2,9,9\nx/a.jpg,3,3,20,30\n"],
    }[name]()  # fmt: skip
    return [seed for seed in made if len(seed) < 60_000]


def _photo_tables(folder: Path) -> list[bytes]:
    """Tables of photos as they are and compressed, of structs and of bare bytes."""
    found, file = [], folder / "seed.parquet"
    for kind in (IMAGE, pa.binary()):
        for compression in ("none", "snappy"):
            made = table([photos.JPEG, photos.PNG], [0, 1], names="ab", kind=kind)
            pq.write_table(made, file, compression=compression)
            found.append(file.read_bytes())
    file.unlink()
    return found
