from __future__ import annotations

import os
import re
from dataclasses import replace

import numpy as np
from PIL import Image

from tests.report.conftest import FLAGS_AT, ODD_NAMES, SMALL, no_mask
from xai_audit.errors import MaskProblem
from xai_audit.flags.outliers import write_flags
from xai_audit.report import draw, gallery
from xai_audit.report.draw import draw_pictures
from xai_audit.report.facts import read_facts
from xai_audit.report.gallery import galleries, pick
from xai_audit.report.material import gather, read_heatmaps
from xai_audit.report.picture import class_folder, digest
from xai_audit.run.reader import Run
from xai_audit.run.verdicts import kinds_of_run


def flagged(paths) -> Run:
    """The run with its flags."""
    write_flags(Run(paths.root), **FLAGS_AT)
    return Run(paths.root)


def built(paths, folder, *, settings=SMALL, mask_of=no_mask):
    """The galleries, their pictures drawn into ``folder``."""
    run = flagged(paths)
    facts, kinds = read_facts(run), kinds_of_run(run)
    found = galleries(run, kinds, facts=facts, settings=settings, folder="g")
    pictures = {s.picture.file: s.picture for g in found for h in g.sheets for s in h.shown}
    draw_pictures(run, pictures.values(), mask_of, folder)
    return found


def picked(paths, **changes) -> dict:
    run, settings = flagged(paths), replace(SMALL, **changes)
    return pick(run, kinds_of_run(run), per_reason=settings.per_reason, seed=settings.seed)


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
    draw_one, opened = draw.draw, []

    def counting(path, *args, **kwargs):
        opened.append(path.name)
        return draw_one(path, *args, **kwargs)

    monkeypatch.setattr(draw, "draw", counting)
    (only,) = built(builder.write(), tmp_path)
    assert [sheet.reason for sheet in only.sheets] == [
        *("border", "background", "mistake", "unflagged")
    ]
    assert opened.count("0.jpg") == 1
    assert len(opened) == len(set(opened)) == 4
    files = {tmp_path / shown.picture.file for sheet in only.sheets for shown in sheet.shown}
    assert {*(tmp_path / "g").glob("*/images/*")} == files


def test_file_names_are_safe_and_never_collide(builder, tmp_path):
    names = ("a b.jpg", "a-b.jpg", "A b.jpg", "a b.png", *ODD_NAMES)
    for name in names:
        builder.add(f"daisy/{name}")
    builder.add("daisy/deep/a b.jpg")
    (only,) = built(builder.write(), tmp_path, settings=replace(SMALL, per_reason=99))
    files = [s.picture.file.rsplit("/", 1)[1] for sheet in only.sheets for s in sheet.shown]
    assert len({file.lower() for file in files}) == len(names) + 1
    assert all(re.fullmatch(r"[A-Za-z0-9._+-]+\.jpg", file) for file in files)
    classes = [class_folder(name) for name in ("a b", "a-b", "A b", "..", "☀", "☁", "x" * 300)]
    assert len({name.lower() for name in classes}) == len(classes)
    assert all(re.fullmatch(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,80}", name) for name in classes)


def test_a_picture_is_as_large_as_its_plan_says_and_has_its_words(tiny_run, tmp_path):
    daisy, tulip = built(tiny_run, tmp_path)
    assert (daisy.class_name, tulip.class_name) == ("daisy", "tulip")
    sheet = next(s for s in daisy.sheets if s.reason == "border")
    for shown in sheet.shown:
        with Image.open(tmp_path / shown.picture.file) as image:
            assert image.size == (shown.picture.width, shown.picture.height) == (85, 64)
    first = sheet.shown[0]
    assert (first.image_id, first.headline) == (f"daisy/{ODD_NAMES[3]}", "daisy 90%")
    assert first.lines[0].startswith("border 53% · class 10%")


def test_only_the_requested_pictures_are_read(tiny_run):
    run = flagged(tiny_run)
    keys = {("tulip/3.jpg", "gradcam"), ("tulip/0.jpg", "gradcam")}
    kinds = kinds_of_run(run)
    material = gather(run, keys, kinds, root=tiny_run.root)
    assert set(material.heatmaps) == set(material.scores) == keys
    heatmaps = dict(read_heatmaps(run, keys, kinds))
    np.testing.assert_array_equal(heatmaps["tulip/3.jpg", "gradcam"], np.eye(4))
    assert [flag["reason"] for flag in material.flags["tulip/0.jpg"]] == ["mistake"]
    assert material.photos["tulip/3.jpg"].path == tiny_run.root / "tulip/3.jpg"
    assert (material.photos["tulip/3.jpg"].width, material.photos["tulip/3.jpg"].height) == (80, 60)


def test_heatmaps_are_of_the_judged_target_kind(builder):
    builder.add("daisy/1.jpg", kinds=("contrast",), heatmap=np.arange(6).reshape(2, 3))
    builder.add("daisy/1.jpg", kinds=("label",), heatmap=np.zeros((4, 4)))
    run = flagged(builder.write())
    key = ("daisy/1.jpg", "gradcam")
    ((found, heatmap),) = read_heatmaps(run, {key}, kinds_of_run(run))
    assert found == key
    np.testing.assert_array_equal(heatmap, np.arange(6).reshape(2, 3))
    material = gather(run, {key}, kinds_of_run(run), root=None)
    assert material.heatmaps == {key: digest(heatmap.shape, heatmap.tobytes())}


def test_a_name_that_is_not_utf8_is_opened_by_its_bytes(builder, tmp_path):
    builder.photo("daisy/plain.jpg", colour="white")
    raw = b"daisy/\xff\xfe.jpg"
    (builder.photos / "daisy/plain.jpg").rename(builder.photos / os.fsdecode(raw))
    builder.add("daisy/escaped.jpg", heatmap=np.zeros((2, 2)))
    builder.manifest[0]["raw_path"] = raw
    built(builder.write(), tmp_path)
    picture = np.asarray(Image.open(next((tmp_path / "g").glob("*/images/*"))))
    assert picture[32, 42].min() > 240


def test_unreadable_photos_and_masks_cost_nothing_but_themselves(tiny_run, tmp_path):
    def broken(image_id: str) -> None:
        raise MaskProblem("corrupt", "no PNG")

    found = built(tiny_run, tmp_path, mask_of=broken)
    mistakes = next(s for s in found[1].sheets if s.reason == "mistake")
    there = [(tmp_path / shown.picture.file).is_file() for shown in mistakes.shown]
    assert there == [False, False, True]  # one no JPEG, one gone


def test_masks_are_read_by_image_id_and_drawn(builder, tmp_path):
    builder.photo("daisy/1.jpg")
    builder.add("daisy/1.jpg", heatmap=np.zeros((2, 2)))
    read = []

    def mask_of(image_id: str) -> np.ndarray:
        read.append(image_id)
        mask = np.zeros((60, 80), bool)
        mask[20:40, 30:50] = True
        return mask

    paths = builder.write()
    built(paths, tmp_path / "with", mask_of=mask_of)
    built(paths, tmp_path / "without")
    assert read == ["daisy/1.jpg"]
    with_mask, without = (
        np.asarray(Image.open(next((tmp_path / n).glob("g/*/images/*")))).astype(int)
        for n in ("with", "without")
    )
    assert np.abs(with_mask - without).max() > 80


def test_several_methods_have_a_picture_each(builder, tmp_path):
    for i in range(12):
        extra = {"mass_border": 0.9} if i == 0 else {}
        builder.add(f"daisy/{i}.jpg", methods=("gradcam", "lrp"), **extra)
    (only,) = built(builder.write(), tmp_path)
    border = next(s for s in only.sheets if s.reason == "border")
    assert len({shown.picture.file for shown in border.shown}) == 2
    assert {shown.lines[-1].rsplit(" · ", 1)[1] for shown in border.shown} == {"gradcam", "lrp"}


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
