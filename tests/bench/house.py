"""What a changed threshold costs, how far a photo walks, and how large the package is."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench import photos
from tests.bench.child import REPO, audit_command, finished
from tests.bench.rows import Row, skipped

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = "make bench ARGS=house"
PACKAGE = REPO / "xai_audit"
# At the commit before stages were plan, work and merge.
LINES, MODULES, ROOMS = 27_070, 260, 36
# Audits a tiny folder up to the scores, a photo a batch, everything in this process, and counts the
# modules that are entered: by the stage while it works, and for one photo within a part, from the
# photo before it to the one after.
_WALK = """
import sys, tempfile
from pathlib import Path
from tests import tiny
from xai_audit.pipeline import STAGES
from xai_audit.work import runner
place = Path(tempfile.mkdtemp())
command = tiny.overrides(
    tiny.make_folder(place / "photos"), place / "out",
    "compute.num_workers=0", "compute.batch_size=1",
)
stage_enters, photo_enters, photos = set(), set(), 0
def seen(frame, event, argument):
    name = frame.f_globals.get("__name__", "")
    if name.startswith("xai_audit.") and not name.endswith("__init__"):
        stage_enters.add(name)
        if photos == 2:
            photo_enters.add(name)
class Counting:
    def __init__(self, progress):
        self.progress = progress
    def __call__(self, images):
        global photos
        self.progress(images)
        photos += images
    def forwards(self, count):
        self.progress.forwards(count)
plain = runner.work_on
def watched(audit, stage, numbers, progress):
    if stage.name != "attribute":
        yield from plain(audit, stage, numbers, progress)
        return
    audit.model, audit.methods, audit.masks, audit.dataset  # opened once, not by a photo
    sys.setprofile(seen)
    try:
        yield from plain(audit, stage, numbers, Counting(progress))
    finally:
        sys.setprofile(None)
runner.work_on = watched
done = tiny.audit(command)
assert done.returncode == 0, done.stderr
assert photos > 3, photos
print(" ".join(sorted(stage_enters)))
print(" ".join(sorted(photo_enters)))
"""


def run(shared: Path, quick: bool) -> list[Row]:
    """Rows for thresholds, the walk and the size."""
    return [*_thresholds(shared, quick=quick), *_walk(), _size()]


def _thresholds(shared: Path, *, quick: bool) -> list[Row]:
    what = "evidence.{} changed on the finished flowers17 run: seconds, parts and pictures made"
    bound = "<= 3 s, no part, no picture"
    if not photos.present(shared):
        return [skipped(what, bound, photos.ABSENT, COMMAND)]
    rows = []
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as place:
        out = Path(place) / "out"
        command = audit_command(photos.overrides(shared, out, *(("limit=102",) if quick else ())))
        finished(command)
        for key in ("q=0.01", "min_reliance=0.25"):
            before, start = _stamps(out), time.perf_counter()
            finished([*command, f"evidence.{key}"])
            seconds, after = time.perf_counter() - start, _stamps(out)
            made = {name for name in after if after[name] != before.get(name)}
            parts = [name for name in made if not name.startswith(("boundary", "report"))]
            pictures = [name for name in made if name.endswith((".jpg", ".png"))]
            rows.append(
                Row(
                    what.format(key),
                    bound,
                    f"{seconds:.2f} s, {len(parts)} parts, {len(pictures)} pictures",
                    met=seconds <= 3 and not parts and not pictures,
                    command=COMMAND,
                )
            )
    return rows


def _stamps(out: Path) -> dict[str, int]:
    """Every part and picture with the time of its last change."""
    files = [*out.rglob("*-[0-9][0-9][0-9][0-9][0-9].parquet"), *(out / "report").rglob("*.jpg")]
    files += (out / "report").rglob("*.png")
    return {path.relative_to(out).as_posix(): path.stat().st_mtime_ns for path in files}


def _walk() -> Iterator[Row]:
    done = subprocess.run(
        [sys.executable, "-c", _WALK], cwd=REPO, capture_output=True, text=True, check=True
    )
    for who, line in zip(("the stage", "one more photo"), done.stdout.splitlines(), strict=True):
        modules = [name.removeprefix("xai_audit.") for name in line.split()]
        yield Row(
            what=f"modules that {who} enters, from the decoder to the row of scores (Grad-CAM)",
            bound="<= 25",
            measured=f"{len(modules)}: {', '.join(modules)}",
            met=len(modules) <= 25,
            command=COMMAND,
        )


def _size() -> Row:
    files = sorted(PACKAGE.rglob("*.py"))
    lines = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)
    rooms: set[Any] = {file.relative_to(PACKAGE).parts[0] for file in files}
    return Row(
        what="lines, modules and first-level rooms of the package",
        bound=f"< {LINES:,}, {MODULES}, {ROOMS}",
        measured=f"{lines:,}, {len(files)}, {len(rooms)}",
        met=lines < LINES and len(files) < MODULES and len(rooms) < ROOMS,
        command=COMMAND,
    )
