"""Pictures apart from the page: what is planned, what is drawn, and what stays."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.report.built import build_report
from tests.report.conftest import SMALL, no_mask, reported, table
from tests.report.test_page import Page, check_links
from tests.report.test_verdicts import cell, relied, write
from xai_audit.report import draw, overlay, picture, spotlight
from xai_audit.report.draw import draw_pictures
from xai_audit.report.page import write_page
from xai_audit.report.sections import plan_pictures
from xai_audit.run.reader import Run
from xai_audit.schema import EVIDENCE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def opened(monkeypatch) -> list[Path]:
    """The photos that are opened to be drawn."""
    paths = []

    def counting(path, tile, opener=None, **more):
        paths.append(path)
        return open_photo(path, tile, opener, **more)

    open_photo = overlay.open_photo
    for module in (overlay, spotlight):
        monkeypatch.setattr(module, "open_photo", counting)
    return paths


@pytest.fixture
def answered(builder):
    """Twelve readable daisies, one of which looks at the border, and a confirmed cue."""
    for i in range(12):
        builder.photo(f"daisy/{i}.jpg", colour="green")
        builder.add(f"daisy/{i}.jpg", **({"mass_border": 0.9} if i == 0 else {}))
    paths = builder.write()
    write(paths, [cell("daisy", "border", "confirmed", reliance_q=0.001, **relied(0.8))])
    return paths


def stamps(folder: Path) -> dict[str, int]:
    """Every file of a folder with its mtime in ns."""
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.stat().st_mtime_ns for p in files}


def pictures(folder: Path) -> set[str]:
    drawn = {name for name in stamps(folder) if name.endswith((".jpg", ".png"))}
    return drawn - {name for name in drawn if name.startswith("plots/") and name.endswith(".png")}


def rebuild(paths, settings=SMALL, mask_of=no_mask) -> None:
    build_report(Run(paths.root), settings, mask_of)


def planned(paths, settings=SMALL) -> set[str]:
    plan = plan_pictures(Run(paths.root), settings)
    return {one.file for of_class in plan.values() for one in of_class}


def test_a_run_that_did_not_change_writes_nothing(answered, opened):
    reported(answered)
    before = stamps(answered.report)
    assert len(opened) == len(pictures(answered.report)) == 5  # 1 flagged, 3 others, 1 card
    opened.clear()
    rebuild(answered)
    assert opened == []
    assert stamps(answered.report) == before


def test_a_change_of_the_evidence_decodes_no_photo(answered, opened):
    reported(answered)
    before, page = pictures(answered.report), answered.index_html.read_text()
    opened.clear()
    row = cell("daisy", "border", "confirmed", reliance_q=0.04, **relied(0.8))
    row |= {"because": "Another q."}
    pq.write_table(table([row], EVIDENCE), answered.evidence)
    rebuild(answered)
    assert opened == []
    assert pictures(answered.report) == before
    assert "Another q." in answered.index_html.read_text() != page


def test_planning_and_the_page_open_no_photo(answered, opened):
    run = reported(answered)
    opened.clear()
    assert planned(answered) == pictures(answered.report)
    write_page(run, SMALL)
    assert opened == []


def test_the_plan_is_by_class_each_picture_once_and_can_be_sent(tiny_run):
    run = reported(tiny_run)
    plan = plan_pictures(run, SMALL)
    assert set(plan) == {"daisy", "tulip"}
    for name, of_class in plan.items():
        assert len({one.file for one in of_class}) == len(of_class)
        assert {one.class_name for one in of_class} == {name}
        assert pickle.loads(pickle.dumps(of_class)) == of_class


def test_one_class_is_drawn_like_all_of_them(tiny_run, tmp_path):
    run = reported(tiny_run)
    of_class = plan_pictures(run, SMALL)["daisy"]
    assert draw_pictures(run, of_class, no_mask, tmp_path) == len(of_class)
    for one in of_class:
        assert (tmp_path / one.file).read_bytes() == (tiny_run.report / one.file).read_bytes()
    assert draw_pictures(run, of_class, no_mask, tmp_path) == 0
    assert not list(tmp_path.rglob("*.tmp"))


def test_the_page_may_come_before_its_pictures(tiny_run):
    run = reported(tiny_run)
    for name in pictures(tiny_run.report):
        (tiny_run.report / name).unlink()
    write_page(run, SMALL)
    seen = Page(tiny_run.index_html)
    check_links(seen)
    assert [image["src"] for image in seen.all("img")] == ["plots/masses.svg"]
    assert "photo cannot be read" in seen.words


def change_photo(builder):
    builder.manifest[0]["mtime_ns"] = 5


def change_heatmap(builder):
    for row in builder.heatmaps[:2]:
        row["heatmap"] = np.eye(4, dtype=np.float16)[::-1].ravel()


def change_numbers(builder):
    for row in builder.scores[:2]:
        row |= {"mass_border": 0.8, "confidence": 0.5}


@pytest.mark.parametrize(
    ("change", "redrawn"), [(change_photo, 2), (change_heatmap, 1), (change_numbers, 0)]
)
def test_only_what_shows_something_else_is_drawn_anew(answered, builder, opened, change, redrawn):
    """The photo that changes is shown in a gallery and, of its border, in the card."""
    reported(answered)
    before = pictures(answered.report)
    opened.clear()
    change(builder)
    builder.write()
    reported(answered)
    after = pictures(answered.report)
    assert [path.name for path in opened] == ["0.jpg"] * redrawn
    assert len(after - before) == len(before - after) == redrawn
    check_links(Page(answered.index_html))


@pytest.mark.parametrize(("settings", "same"), [({"tile": 80}, 0), ({"masks": "other"}, 1)])
def test_settings_name_other_pictures(answered, settings, same):
    """Other masks leave the card, which shows a border."""
    reported(answered)
    before = planned(answered)
    after = planned(answered, replace(SMALL, **settings))
    assert len(after) == len(before)
    assert len(after & before) == same


def test_another_way_of_drawing_names_other_pictures(answered, monkeypatch):
    reported(answered)
    before = planned(answered)
    monkeypatch.setattr(picture, "DRAWING", picture.DRAWING + 1)
    assert not planned(answered) & before


def test_a_dataset_that_moved_keeps_its_pictures(answered, builder, opened, tmp_path):
    reported(answered)
    builder.photos.rename(tmp_path / "elsewhere")
    builder.record = {"dataset_root": str(tmp_path / "elsewhere")}
    builder.write()
    opened.clear()
    rebuild(answered)
    assert opened == []


def test_what_no_page_shows_is_deleted_and_nothing_else(answered):
    reported(answered)
    stale = answered.gallery / "rose-0123456789" / "images" / "1-abc.jpg"
    stale.parent.mkdir(parents=True)
    stale.touch()
    (answered.gallery / ".x.jpg.killed.tmp").touch()
    (answered.report / "plots" / "boundary-1-1.jpg").touch()
    (answered.report / "summary.json").write_text("{}")
    before = stamps(answered.report)
    rebuild(answered)
    left = {name for name in before if "0123456789" in name or name.endswith(".tmp")}
    left.add("plots/boundary-1-1.jpg")
    assert set(before) - set(stamps(answered.report)) == left
    assert not stale.parent.parent.exists()
    assert (answered.report / "summary.json").exists()


def test_a_failure_midway_leaves_the_old_report_valid(tiny_run):
    reported(tiny_run)
    before = stamps(tiny_run.report)

    def failing(image_id: str) -> None:
        if len(stamps(tiny_run.report)) > len(before) + 2:
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        rebuild(tiny_run, replace(SMALL, tile=70), failing)
    after = stamps(tiny_run.report)
    assert before.items() < after.items()  # nothing of the old one is gone or changed
    assert not any(name.endswith(".tmp") for name in after)
    check_links(Page(tiny_run.index_html))
    rebuild(tiny_run, replace(SMALL, tile=70))
    check_links(Page(tiny_run.index_html))
    missing = planned(tiny_run, replace(SMALL, tile=70)) - pictures(tiny_run.report)
    assert sorted(name.rsplit("/", 1)[1][:2] for name in missing) == ["1-", "2-"]  # not readable


def test_a_picture_is_whole_or_not_there(answered, monkeypatch):
    """A process that dies while it saves leaves no half of a picture under its name."""
    run = reported(answered)
    before = pictures(answered.report)

    def dying(*args, **kwargs):
        raise KeyboardInterrupt

    plan = plan_pictures(run, replace(SMALL, tile=70))["daisy"]
    monkeypatch.setattr(draw.Image.Image, "save", dying)
    with pytest.raises(KeyboardInterrupt):
        draw_pictures(run, plan, no_mask, answered.report)
    assert pictures(answered.report) == before


def test_the_same_run_gives_the_same_bytes(tiny_run, tmp_path):
    def contents() -> dict:
        report = tiny_run.report
        return {p.relative_to(report): p.read_bytes() for p in report.rglob("*") if p.is_file()}

    reported(tiny_run)
    first = contents()
    assert len(first) > 10
    tiny_run.report.rename(tmp_path / "old")
    reported(tiny_run)
    assert contents() == first


def test_a_photo_that_can_be_read_again_gets_its_picture(answered, builder):
    file = builder.photos / "daisy" / "0.jpg"
    content = file.read_bytes()
    file.write_bytes(b"none")
    reported(answered)
    assert "photo cannot be read" in Page(answered.index_html).words
    file.write_bytes(content)
    rebuild(answered)
    assert "photo cannot be read" not in Page(answered.index_html).words
    assert pictures(answered.report) == planned(answered)
