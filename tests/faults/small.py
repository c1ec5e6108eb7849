"""``python -m tests.faults.small DISK PHOTOS``: audits on a small disk of its own, told as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests import tiny
from xai_audit.errors import OutputError
from xai_audit.run.files import replacing, write_table, write_text

_ROOM = 60_000  # bytes: less than the tables take
NOISE = np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8)


def pillow(file: Path) -> None:
    """A JPEG as the gallery writes it."""
    with replacing(file) as temporary:
        Image.fromarray(NOISE).save(temporary, format="JPEG")


WRITERS: dict[str, Callable[[Path], None]] = {
    "a.jpg": pillow,
    "a.parquet": lambda file: write_table(file, pa.table({"a": NOISE.reshape(-1)})),
    "a.txt": lambda file: write_text(file, "a" * 400_000),
}


def filled(disk: Path, room: int) -> Path:
    """A file that leaves ``room`` bytes of ``disk``."""
    ballast = disk / "ballast"
    try:
        with ballast.open("wb", buffering=0) as opened:
            while True:
                opened.write(bytes(4096))
    except OSError:
        size = ballast.stat().st_size - room
    with ballast.open("r+b") as opened:
        opened.truncate(size)
    return ballast


def refused(write: Callable[[Path], None], file: Path) -> str:
    """What a writer says on a full disk."""
    try:
        write(file)
    except OutputError as exc:
        return str(exc)
    return "written"


def main(disk: Path, photos: Path) -> None:
    """Fill ``disk``, write, audit, make room, audit again, and once more where all is read-only."""
    found: dict[str, object] = {}
    ballast = filled(disk, 0)
    found["writers"] = {name: refused(each, disk / name) for name, each in WRITERS.items()}
    found["left"] = sorted(file.name for file in disk.iterdir())
    ballast.unlink()
    out = disk / "out"
    command = tiny.overrides(photos, out)
    ballast = filled(disk, _ROOM)
    done = tiny.audit(command)
    found["full"] = done.returncode, done.stderr
    ballast.unlink()
    done = tiny.audit(command)
    found["resumed"] = done.returncode, done.stderr
    for name in ("attributions", "scores"):
        found[name] = pq.read_table(out / name).num_rows
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    done = tiny.audit(command)
    found["read_only"] = done.returncode, done.stderr
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
