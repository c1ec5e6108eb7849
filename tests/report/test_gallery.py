from __future__ import annotations

import os
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.report.conftest import FLAGS_AT, ODD_NAMES, SMALL
from xai_audit.errors import MaskProblem
from xai_audit.flags.outliers import write_flags
from xai_audit.report import gallery
from xai_audit.report.build import build_report
from xai_audit.report.facts import read_facts
from xai_audit.report.gallery import build_gallery, class_folder
from xai_audit.report.material import gather
from xai_audit.report.picks import pick
from xai_audit.run.score_rows import kinds_of_run


def no_mask(image_id: str) -> None:
    return None


def built(paths, folder, *, settings=SMALL, mask_of=no_mask):
    write_flags(paths, **FLAGS_AT)
    folder.mkdir()
    return build_gallery(paths, folder, facts=read_facts(paths), settings=settings, mask_of=mask_of)


def picked(paths, **changes) -> dict:
    write_flags(paths, **FLAGS_AT)
    settings = replace(SMALL, **changes)
    return pick(paths, kinds_of_run(paths), per_reason=settings.per_reason, seed=settings.seed)


def test_the_most_suspicious_are_picked_in_order(tiny_run):
    chosen = picked(tiny_run)
    suspicious = [f"daisy/{name.replace('|', chr(92))}" for name in ODD_NAMES[3:0:-1]]
    assert [image_id for image_id, _ in chosen["daisy"]["border"]] == suspicious
    assert chosen["tulip"]["mistake"] == [(f"tulip/{i}.jpg", "gradcam") for i in (2, 1, 0)]


def test_the_unflagged_are_a_draw_by_seed_without_the_flagged(tiny_run):
    chosen = picked(tiny_run, per_reason=100)
    drawn = [image_id for image_id, _ in chosen["tulip"]["unflagged"]]
    assert sorted(drawn) == sorted(f"tulip/{i}.jpg" for i in range(3, 12))
    assert drawn != sorted(drawn)
    few = picked(tiny_run)["tulip"]["unflagged"]
    assert [image_id for image_id, _ in few] == drawn[:3]
    other = [
        image_id for image_id, _ in picked(tiny_run, seed=1, per_reason=100)["tulip"]["unflagged"]
    ]
    assert other != drawn
    assert sorted(other) == sorted(drawn)


def test_the_draw_ignores_how_rows_are_split_in_parts(builder):
    for i in range(12):
        builder.add(f"daisy/{i}.jpg")
    first = picked(builder.write(part=2))
    for part in builder.root.glob("*/part-*"):
        part.unlink()
    builder.scores.reverse()
    assert picked(builder.write(part=50)) == first


def test_every_picture_is_drawn_once_whatever_its_reasons(builder, tmp_path, monkeypatch):
    for i in range(12):
        builder.photo(f"daisy/{i}.jpg")
        extra = {"mass_border": 0.9, "mass_background": 0.9, "pred": 1} if i == 0 else {}
        builder.add(f"daisy/{i}.jpg", **extra)
    draw, opened = gallery.draw, []

    def counting(path, *args, **kwargs):
        opened.append(path.name)
        return draw(path, *args, **kwargs)

    monkeypatch.setattr(gallery, "draw", counting)
    (only,) = built(builder.write(), tmp_path / "g")
    assert [sheet.reason for sheet in only.sheets] == [
        *("border", "background", "mistake", "unflagged")
    ]
    assert opened.count("0.jpg") == 1
    assert len(opened) == len(set(opened)) == 4
    hrefs = {shown.href for sheet in only.sheets for shown in sheet.shown}
    assert {f"images/{p.name}" for p in (tmp_path / "g").glob("*/images/*")} == hrefs


def test_file_names_are_safe_and_never_collide(builder, tmp_path):
    names = ("a b.jpg", "a-b.jpg", "A b.jpg", "a b.png", *ODD_NAMES)
    for name in names:
        builder.add(f"daisy/{name}")
    builder.add("daisy/deep/a b.jpg")
    (only,) = built(builder.write(), tmp_path / "g", settings=replace(SMALL, per_reason=99))
    files = [p.name for p in (tmp_path / "g").glob("*/images/*")]
    assert len({file.lower() for file in files}) == len(names) + 1
    assert all(re.fullmatch(r"[A-Za-z0-9._+-]+\.jpg", file) for file in files)
    classes = [class_folder(name) for name in ("a b", "a-b", "A b", "..", "☀", "☁", "x" * 300)]
    assert len({name.lower() for name in classes}) == len(classes)
    assert all(re.fullmatch(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,80}", name) for name in classes)


def test_sheets_hold_what_their_cells_say(tiny_run, tmp_path):
    daisy, tulip = built(tiny_run, tmp_path / "g")
    assert (daisy.class_name, tulip.class_name) == ("daisy", "tulip")
    sheet = next(s for s in daisy.sheets if s.reason == "border")
    with Image.open(tmp_path / "g" / daisy.folder / sheet.file) as image:
        assert image.size == (sheet.width, sheet.height)
    assert sheet.shown[0].alt.startswith(f"daisy/{ODD_NAMES[3]}: daisy → daisy 90%; border 53%")
    for shown in sheet.shown:
        box = shown.cell
        assert 0 <= box.left < box.left + box.width <= 100
        assert 0 <= box.top < box.top + box.height <= 100
        assert (tmp_path / "g" / daisy.folder / shown.href).is_file()


def test_only_the_pictures_asked_for_are_read(tiny_run):
    write_flags(tiny_run, **FLAGS_AT)
    keys = {("tulip/3.jpg", "gradcam"), ("tulip/0.jpg", "gradcam")}
    material = gather(tiny_run, keys, kinds_of_run(tiny_run), root=tiny_run.root)
    assert set(material.heatmaps) == set(material.scores) == keys
    np.testing.assert_array_equal(material.heatmaps["tulip/3.jpg", "gradcam"], np.eye(4))
    assert [flag["reason"] for flag in material.flags["tulip/0.jpg"]] == ["mistake"]
    assert material.files["tulip/3.jpg"] == tiny_run.root / "tulip/3.jpg"


def test_heatmaps_are_of_the_judged_target_kind(builder):
    builder.add("daisy/1.jpg", kinds=("contrast",), heatmap=np.arange(6).reshape(2, 3))
    builder.add("daisy/1.jpg", kinds=("label",), heatmap=np.zeros((4, 4)))
    paths = builder.write()
    write_flags(paths, **FLAGS_AT)
    key = ("daisy/1.jpg", "gradcam")
    material = gather(paths, {key}, kinds_of_run(paths), root=None)
    np.testing.assert_array_equal(material.heatmaps[key], np.arange(6).reshape(2, 3))


def test_a_name_that_is_not_utf8_is_opened_by_its_bytes(builder, tmp_path):
    builder.photo("daisy/plain.jpg", colour="white")
    raw = b"daisy/\xff\xfe.jpg"
    (builder.photos / "daisy/plain.jpg").rename(builder.photos / os.fsdecode(raw))
    builder.add("daisy/escaped.jpg", heatmap=np.zeros((2, 2)))
    builder.manifest[0]["raw_path"] = raw
    (only,) = built(builder.write(), tmp_path / "g")
    picture = np.asarray(Image.open(next((tmp_path / "g").glob("*/images/*"))))
    assert picture[32, 42].min() > 240


def test_unreadable_photos_and_masks_cost_nothing_but_themselves(tiny_run, tmp_path):
    def broken(image_id: str) -> None:
        raise MaskProblem("corrupt", "no PNG")

    galleries = built(tiny_run, tmp_path / "g", mask_of=broken)
    mistakes = next(s for s in galleries[1].sheets if s.reason == "mistake")
    assert len(mistakes.shown) == 3  # one gone, one no JPEG


def test_masks_are_asked_for_by_image_id_and_drawn(builder, tmp_path):
    builder.photo("daisy/1.jpg")
    builder.add("daisy/1.jpg", heatmap=np.zeros((2, 2)))
    asked = []

    def mask_of(image_id: str) -> np.ndarray:
        asked.append(image_id)
        mask = np.zeros((60, 80), bool)
        mask[20:40, 30:50] = True
        return mask

    paths = builder.write()
    built(paths, tmp_path / "with", mask_of=mask_of)
    built(paths, tmp_path / "without")
    assert asked == ["daisy/1.jpg"]
    with_mask, without = (
        np.asarray(Image.open(next((tmp_path / n).glob("*/images/*")))).astype(int)
        for n in ("with", "without")
    )
    assert np.abs(with_mask - without).max() > 80


def test_several_methods_have_a_picture_each(builder, tmp_path):
    for i in range(12):
        extra = {"mass_border": 0.9} if i == 0 else {}
        builder.add(f"daisy/{i}.jpg", methods=("gradcam", "lrp"), **extra)
    (only,) = built(builder.write(), tmp_path / "g")
    border = next(s for s in only.sheets if s.reason == "border")
    assert len({shown.href for shown in border.shown}) == 2


def test_many_classes_are_read_in_batches_of_bounded_size(tiny_run, tmp_path, monkeypatch):
    together = built(tiny_run, tmp_path / "together")
    monkeypatch.setattr(gallery, "_AT_ONCE", 1)
    gathered = []
    monkeypatch.setattr(
        gallery,
        "gather",
        lambda p, keys, *a, **k: (gathered.append(len(keys)), gather(p, keys, *a, **k))[1],
    )
    assert built(tiny_run, tmp_path / "apart") == together
    assert len(gathered) == 2


def test_the_same_run_gives_the_same_bytes(tiny_run):
    def contents() -> dict:
        build_report(tiny_run, settings=SMALL, mask_of=no_mask)
        report = tiny_run.report
        return {p.relative_to(report): p.read_bytes() for p in report.rglob("*") if p.is_file()}

    write_flags(tiny_run, **FLAGS_AT)
    first = contents()
    assert len(first) > 10
    assert contents() == first


def test_a_failure_midway_leaves_the_old_report(tiny_run):
    write_flags(tiny_run, **FLAGS_AT)
    build_report(tiny_run, settings=SMALL, mask_of=no_mask)
    before = sorted(tiny_run.root.rglob("*"))

    def failing(image_id: str) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        build_report(tiny_run, settings=SMALL, mask_of=failing)
    assert sorted(tiny_run.root.rglob("*")) == before
