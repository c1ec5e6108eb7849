"""One audit of every stage over all hostile photos, names and masks in one folder."""

from __future__ import annotations

import json
import os
import re
import socket
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock

import pandas as pd
import pytest
import torch
from torch import nn

from tests import tiny
from tests.hostile import masks, names, photos
from xai_audit import load

# All but the newline.
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
ELSEWHERE = re.compile(r"\s*(\w+:)?//|\s*javascript:")
PHOTOS = [*photos.CASES, *names.CASES]


def net() -> nn.Module:
    """A network of a few weights for the corpus's classes."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 5, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, len(names.CLASSES)),
    )  # fmt: skip


class Handlers(HTMLParser):
    """Attributes of a page that run a script or load something from elsewhere."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [(tag, name) for name, _ in attrs if name.startswith("on")]
        loads = [value for name, value in attrs if name in ("src", "srcset", "data", "poster")]
        self.found += [(tag, value) for value in loads if value and ELSEWHERE.match(value)]


def build(root: Path) -> dict[bytes, tuple[str, str | None]]:
    """The corpus below ``root``: path of each file -> status of its row and of its mask."""
    expected: dict[bytes, tuple[str, str | None]] = {}
    for name in names.CLASSES:
        (root / "images" / name).mkdir(parents=True)
        (root / "masks" / name).mkdir(parents=True)
    for number, case in enumerate(PHOTOS):
        folder = root / "images" / names.CLASSES[number % len(names.CLASSES)]
        if case.title == "a link within the root":
            folder = next((root / "images").glob("*/hard.jpg")).parent
        path = folder / os.fsdecode(case.name)
        assert not os.path.lexists(path), path
        case.make(path)
        expected[os.fsencode(path.relative_to(root / "images"))] = (case.expected, None)
    for number, case in enumerate(masks.CASES):
        name = names.CLASSES[number % len(names.CLASSES)]
        photo = root / "images" / name / f"masked-{number}.jpg"
        masks.photo(photo)
        stem = "self" if "itself" in case.title else photo.stem
        case.make(root / "masks" / name / f"{stem}.png")
        if stem == "self":
            (root / "masks" / name / f"{photo.stem}.png").symlink_to("self.png")
        expected[os.fsencode(photo.relative_to(root / "images"))] = ("ok", case.expected)
    return expected


def listing(root: Path) -> dict[bytes, tuple[int, int, int]]:
    """Mode, size and time of change of every file below ``root``."""
    found = {}
    for folder, _, files in os.walk(os.fsencode(root)):
        for name in files:
            path = os.path.join(folder, name)  # noqa: PTH118 - bytes
            facts = os.lstat(path)
            found[os.path.relpath(path, os.fsencode(root))] = (
                facts.st_mode, facts.st_size, facts.st_mtime_ns,
            )  # fmt: skip
    return found


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """What is expected of each file, the finished run, and what it logged."""
    root = tmp_path_factory.mktemp("hostile")
    expected = build(root)
    more = (
        tiny.WHOLE,
        "model.factory=tests.hostile.test_audit:net", "model.preprocess.resize=32",
        "model.preprocess.crop=32", "compute.part_size=1000", f"max_pixels={photos.MAX_PIXELS}",
        "max_failed_fraction=1", "adversarial.images=2", "evidence.images_per_class=4",
        "evidence.permutations=5", "trust.images=1",
    )  # fmt: skip
    before, asked = listing(root), []
    with (
        mock.patch.object(socket.socket, "connect", lambda _, where: asked.append(where)),
        mock.patch.object(socket, "getaddrinfo", lambda *where, **_: asked.append(where)),
    ):
        done = tiny.audit(tiny.overrides(root, root / "out", *more))
    assert done.returncode == 0, done.stderr
    assert asked == [], "nothing but stores and weights that are asked for needs a network"
    assert {p: s for p, s in listing(root).items() if not p.startswith(b"out/")} == before
    return expected, load(root / "out"), done.stderr


def spelled(row: pd.Series) -> bytes:
    """The path of a manifest's row as the file system spells it."""
    return row.raw_path if isinstance(row.raw_path, bytes) else os.fsencode(row.image_id)


def test_every_file_has_the_status_that_it_should(corpus):
    expected, run, _ = corpus
    manifest = run.manifest
    found = {spelled(row): row.status for _, row in manifest.iterrows()}
    assert len(found) == len(manifest), "a file has two rows"
    wanted = {path: status for path, (status, _) in expected.items() if status != names.ABSENT}
    assert found == wanted
    assert manifest.image_id.is_unique
    assert (manifest.error.isna() == (manifest.status == "ok")).all()


def test_every_mask_has_the_status_that_it_should(corpus):
    expected, run, _ = corpus
    paths = {row.image_id: spelled(row) for _, row in run.manifest.iterrows()}
    scores = run.scores.drop_duplicates("image_id").set_index("image_id").mask_status
    found = {path: scores[i] for i, path in paths.items() if i in scores and expected[path][1]}
    assert found == {path: mask for path, (_, mask) in expected.items() if mask}


def test_every_usable_photo_is_in_every_table(corpus):
    _, run, _ = corpus
    usable = {*run.manifest.image_id[run.manifest.status == "ok"]}
    assert {*run.attributions.image_id} == {*run.scores.image_id} == usable
    assert not run.evidence.empty
    assert (run.root / "SUCCESS").exists()


def test_the_pages_are_whole_and_run_nothing_of_the_photos(corpus):
    _, run, _ = corpus
    pages = [*run.paths.report.rglob("*.html"), run.paths.summary_md]
    assert len(pages) > 2
    for page in pages:
        text = page.read_text(encoding="utf-8")
        seen = Handlers()
        seen.feed(text)
        assert seen.found == []
        assert "<script>alert" not in text
    json.loads(run.paths.summary_json.read_text(encoding="utf-8"))


def test_the_log_holds_no_control_character(corpus):
    _, run, log = corpus
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\ud800-\udfff]", log
    )
    assert not [line for line in log.splitlines() if not re.match(r"\d\d:\d\d:\d\d ", line)]
