from __future__ import annotations

import math

import numpy as np
import pytest

from xai_audit.flags.outliers import write_flags
from xai_audit.report.tables import (
    CORNERS,
    border_never_seen,
    class_table,
    failures,
    flag_counts,
    score_problems,
)
from xai_audit.run import files as run_tables
from xai_audit.run.reader import Run
from xai_audit.run.verdicts import kinds_of_run
from xai_audit.types import Preprocess
from xai_audit.vision.geometry import view


@pytest.fixture
def mixed_run(builder):
    """Ten photos of two classes with random masses, some undefined, in parts of three rows."""
    rng = np.random.default_rng(5)
    for i in range(10):
        masses = {f"mass_{r}": float(rng.random()) for r in ("border", *CORNERS)}
        areas = {f"area_{r}": float(rng.random()) for r in ("border", *CORNERS)}
        undefined = {"mass_object": None, "pointing_hit": None, "score_status": "object=missing"}
        builder.add(
            f"{'daisy' if i % 3 else 'tulip'}/{i}.jpg",
            **masses,
            **areas,
            **(undefined if i % 2 else {"pointing_hit": i % 4 == 0}),
            **({"pred": 7} if i == 4 else {}),
        )
    return Run(builder.write(part=3).root), builder.scores


def test_class_means_are_those_of_the_whole_table(mixed_run):
    run, scored = mixed_run
    table = class_table(run, kinds_of_run(run))
    for name in ("daisy", "tulip", ""):
        mine = [
            r for r in scored if r["target_kind"] == "contrast" and name in ("", r["class_name"])
        ]
        got = table.loc["gradcam", name]
        assert got["n"] == len(mine)
        assert got["accuracy"] == sum(r["pred"] == r["label"] for r in mine) / len(mine)
        hits = [r["pointing_hit"] for r in mine if r["pointing_hit"] is not None]
        assert got["hit"] == sum(hits) / len(hits)
        mass, area = ([r[f"{what}_border"] for r in mine] for what in ("mass", "area"))
        assert got["mass_border"] == pytest.approx(np.mean(mass))
        assert got["lift_border"] == pytest.approx(np.mean(mass) / np.mean(area), rel=1e-6)
        mass, area = (
            [sum(r[f"{what}_{c}"] for c in CORNERS) for r in mine] for what in ("mass", "area")
        )
        assert got["mass_corners"] == pytest.approx(np.mean(mass), rel=1e-6)
        assert got["area_corners"] == pytest.approx(np.mean(area), rel=1e-6)
        # The area of a photo without a mass does not enter the lift.
        objects = [r["mass_object"] for r in mine if r["mass_object"] is not None]
        assert got["lift_object"] == pytest.approx(np.mean(objects) / 0.2, rel=1e-6)


def test_a_region_that_is_undefined_everywhere_is_nan(builder):
    builder.add("daisy/1.jpg", mass_object=None, pointing_hit=None)
    table = class_table(Run(builder.write().root), {"gradcam": "contrast"})
    assert math.isnan(table.loc["gradcam", "daisy"]["mass_object"])
    assert math.isnan(table.loc["gradcam", ""]["hit"])


def test_a_corner_out_of_view_leaves_the_others_their_say(builder):
    top, bottom = CORNERS[:2], CORNERS[2:]
    builder.add("daisy/1.jpg", **{f"mass_{c}": None for c in top})
    builder.add("daisy/2.jpg", **{f"mass_{c}": None for c in CORNERS})
    builder.add("daisy/3.jpg", **{f"mass_{c}": 0.3 for c in bottom})
    row = class_table(Run(builder.write().root), {"gradcam": "contrast"}).loc["gradcam", "daisy"]
    assert row["mass_corners"] == pytest.approx((2 * 0.1 + 2 * 0.1 + 2 * 0.3) / 2)
    assert row["area_corners"] == pytest.approx((2 * 0.2 + 4 * 0.2) / 2)


def test_no_scores_give_an_empty_table(builder):
    assert class_table(Run(builder.write().root), {}).empty


def test_undefined_cells_are_counted_by_reason(builder):
    builder.add("daisy/1.jpg", score_status="object=missing;rank=empty")
    builder.add("daisy/2.jpg", score_status="object=missing")
    builder.add("daisy/3.jpg", score_status="ok")
    run = Run(builder.write().root)
    problems = score_problems(run, kinds_of_run(run))
    assert problems == {"object=missing": 2, "rank=empty": 1}


def test_failures_are_counted_by_status_with_examples(tiny_run):
    counts, examples = failures(Run(tiny_run.root))
    assert counts == {"ok": 24, "left out": 1, "unreadable": 1}
    assert examples == {"unreadable": [('tulip/<b>"bad".jpg', "truncated <file>")]}


def test_examples_of_failures_are_few(builder, monkeypatch):
    monkeypatch.setattr(run_tables, "_BATCH_ROWS", 4)
    builder.manifest = [
        {"image_id": f"daisy/{i}", "status": "unreadable", "selected": False} for i in range(30)
    ]
    counts, examples = failures(Run(builder.write().root))
    assert counts == {"unreadable": 30}
    assert [name for name, _ in examples["unreadable"]] == [f"daisy/{i}" for i in range(5)]


def test_flagged_images_count_once_whatever_the_number_of_reasons_and_methods(builder):
    for i in range(12):
        extra = {"mass_border": 0.9, "mass_background": 0.9} if i == 0 else {}
        builder.add(f"daisy/{i}.jpg", methods=("gradcam", "lrp"), **extra)
    run = Run(builder.write().root)
    write_flags(run, z=3.5, min_excess=0.1)
    images, reasons = flag_counts(run)
    assert images == {"daisy": 1}
    assert reasons == {("daisy", "border"): 1, ("daisy", "background"): 1}


@pytest.mark.parametrize("size", [(80, 60), (60, 80), (300, 100), (70, 70)])
@pytest.mark.parametrize(
    "preprocess",
    [
        Preprocess(resize=50, crop=(44, 44)),
        Preprocess(resize=None, crop=(50, 50)),
        Preprocess(resize=40, crop=(60, 60)),
        Preprocess(resize=(64, 64), crop=(64, 64)),
    ],
)
def test_what_of_the_border_is_never_seen_is_counted_pixel_by_pixel(builder, size, preprocess):
    builder.add("daisy/1.jpg", size=size)
    width, height = size
    geometry, inset, fine = view((height, width), preprocess), 0.1 * min(size), 5
    y, x = (np.arange(side * fine) / fine + 0.5 / fine for side in (height, width))
    band = ~(
        ((y > inset) & (y < height - inset))[:, None] & ((x > inset) & (x < width - inset))[None]
    )
    vy, vx = geometry.to_view(y, x)
    seen = ((vy >= 0) & (vy < geometry.crop[0]))[:, None] & ((vx >= 0) & (vx < geometry.crop[1]))
    expected = 1 - (band & seen).sum() / band.sum()
    got = border_never_seen(Run(builder.write().root), preprocess, 0.1)
    assert got == pytest.approx(expected, abs=0.02)


def test_the_unseen_border_is_the_mean_over_photos(builder):
    preprocess = Preprocess(resize=None, crop=(60, 60))
    builder.add("daisy/1.jpg", size=(60, 60))
    builder.add("daisy/2.jpg", size=(80, 80))
    builder.add("daisy/3.jpg", size=(80, 80))
    # 80 px with a crop of 60: all of the 8 px band lies in the 10 px cut away.
    assert border_never_seen(Run(builder.write().root), preprocess, 0.1) == pytest.approx(2 / 3)


def test_without_photos_there_is_nothing_to_say(builder):
    assert math.isnan(border_never_seen(Run(builder.write().root), Preprocess(), 0.1))
