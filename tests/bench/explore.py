"""The explore page of 100,000 photos of 1,000 classes: what it takes to build, open and filter it.

The tables are made up (``synthetic``) by the product's own plans and merges; the photos are small
JPEGs, of which the page shows as many as by default. The build is the audit's last command: the
explore page with its pictures and data, and the report. Then Chromium opens the page from the disk.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import numpy as np
from PIL import Image

from tests.bench.child import audit_command, finished
from tests.bench.million import arguments, audited, make_model, make_parts
from tests.bench.rows import NO_BOUND, Row, skipped
from tests.report.tab import opened
from tests.report.test_browser import CHROMIUM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.report.tab import Tab

_COMMAND = "python -m tests.bench explore"
_SIZE = (500, 375)  # as the made-up headers say
_OPENED = 5
_MB, _READY_MS, _FILTER_MS, _BUILD_S, _MIB = 3, 2000, 200, 180, 2048
# Kinds of changes, each by a control and several of its values; the first value that is not there
# is passed over.
_FILTERS = {
    "class": ["class_0007", "class_0500", "class_0999", "class_0010", ""],
    "verdict": ["confirmed", "suspected", "available", "undetermined", ""],
    "cue": ["border", "colour", "background", "jpeg_quality", ""],
    "reason": ["mistake", "any", "none", ""],
    "right": ["wrong", "right", ""],
    "text": ["CLASS_0007/", "00042.jpg", "class_09", "5", ""],
}
_SORTS = {"sort": ["mass_border", "confidence", "entropy", ""]}
# Resolves to the milliseconds from the change of a control until a screen of new photos, with
# their names, is painted.
_TIMED = """new Promise((done) => {
  const box = document.getElementById("form").elements[%s], fresh = (node) => node.title;
  if (box.options && ![...box.options].some((option) => option.value === %s)) return done(null);
  for (const node of document.querySelectorAll(".photo")) node.dataset.old = 1;
  const start = performance.now();
  box.value = %s;
  box.dispatchEvent(new Event("change", { bubbles: true }));
  const look = () => {
    const photos = [...document.querySelectorAll(".photo")];
    if (document.querySelector(".photo[data-old]") || !photos.every(fresh))
      return requestAnimationFrame(look);
    setTimeout(() => done([performance.now() - start, photos.length]));
  };
  requestAnimationFrame(look);
})"""


def run(shared: Path, quick: bool) -> Iterator[Row]:
    """Rows: seconds and memory of the build, the page's size, until it is ready, each filter."""
    del shared  # made-up tables
    count, classes = (600, 20) if quick else (100_000, 1000)
    size = f"{count:,} photos x {classes:,} classes"
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        root = Path(folder)
        make_run(root, count, classes)
        yield from build_rows(root, classes, size)
        if CHROMIUM is None:
            yield skipped(f"explore page, {size}", f"<= {_MB} MB", "no Chromium", _COMMAND)
            return
        yield from page_rows(root / "run/out/report", root / "profile", size)


def make_run(root: Path, count: int, classes: int) -> None:
    """``root/run/out``: an audit that has all but its explore page and its report."""
    make_model(root / "model.pth", classes)
    make_photos(root / "run", count, classes)
    audited(root / "run", count, classes, until="flag")
    make_parts(root / "run/out")


def make_photos(root: Path, count: int, classes: int) -> None:
    """``root/photos/<class>/*.jpg``, ``count`` photos in equal shares: one a class, linked."""
    rng = np.random.default_rng(0)
    for number in range(classes):
        folder = root / "photos" / f"class_{number:04d}"
        folder.mkdir(parents=True)
        first = folder / "000000.jpg"
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
        coarse.resize(_SIZE, Image.Resampling.BICUBIC).save(first, quality=90)
        for photo in range(1, count // classes):
            os.link(first, folder / f"{photo:06d}.jpg")


def build_rows(root: Path, classes: int, size: str) -> list[Row]:
    """Seconds and memory of the command that makes the explore page and the report."""
    keys = [key for key in arguments(root / "run", classes) if key != "engine.workers=0"]
    done = finished(audit_command(keys))
    what = f"explore page and report built, {size}"
    return [
        _row(what, done.seconds, _BUILD_S, "s"),
        _row(f"memory of the same, {size}", done.peak_mib, _MIB, "MiB"),
    ]


def page_rows(report: Path, profile: Path, size: str) -> list[Row]:
    """What the browser loads, how long until the page is ready, and each kind of change."""
    with opened(profile) as tab:
        tab.size(1440, 900)
        ready, loaded = [], 0
        for _ in range(_OPENED):
            tab.go((report / "explore.html").as_uri())
            tab.until("[...document.querySelectorAll('.photo')].every((node) => node.title)")
            ready.append(float(tab.ask("document.documentElement.dataset.ready")))
            loaded = max(loaded, _bytes(tab))
        page = loaded + (report / "index.html").stat().st_size
        rows = [
            _row(f"main page, explore page and what it loads, {size}", page / 1e6, _MB, "MB"),
            _times(f"until the explore page is ready, {size}", ready, _READY_MS),
        ]
        for bound, kinds in ((_FILTER_MS, _FILTERS), (None, _SORTS)):
            for name, values in kinds.items():
                rows.append(_times(f"{name} chosen, {size}", _changes(tab, name, values), bound))
        assert tab.complaints() == []
    return rows


def _changes(tab: Tab, name: str, values: list[str]) -> list[float]:
    """Milliseconds of each change of a control."""
    found: list[Any] = []
    for value in values:
        given = json.dumps(value)
        found.append(tab.ask(_TIMED % (json.dumps(name), given, given)))
    return [one[0] for one in found if one is not None]


def _bytes(tab: Tab) -> int:
    """Of all files that the page has loaded."""
    files = {Path(unquote(urlsplit(url).path)) for url in tab.requested() if url[:5] == "file:"}
    return sum(file.stat().st_size for file in files)


def _times(what: str, found: list[float], bound: float | None) -> Row:
    """The median of ``found``, with the least and the most."""
    told = f"{median(found):.0f} ms (median of {len(found)}, {min(found):.0f}-{max(found):.0f})"
    if bound is None:
        return Row(what, NO_BOUND, told, met=True, command=_COMMAND)
    return Row(what, f"<= {bound:.0f} ms", told, median(found) <= bound, _COMMAND)


def _row(what: str, value: float, bound: float, unit: str) -> Row:
    text = f"{value:.2f}" if unit == "MB" else f"{value:.0f}"
    return Row(what, f"<= {bound} {unit}", f"{text} {unit}", value <= bound, _COMMAND)
