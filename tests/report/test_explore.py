"""The data of the explore page against a plain reading of the tables, and what it writes."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.report.conftest import FLAGS_AT, SMALL, RunBuilder, no_mask, table
from xai_audit.flags.outliers import REASONS, write_flags
from xai_audit.report.explore import slices
from xai_audit.report.explore.build import draw_sheets, read_material, write_explore
from xai_audit.report.explore.listed import MEASURED
from xai_audit.report.explore.sheets import in_view
from xai_audit.report.picture import ReportSettings
from xai_audit.run.reader import Run
from xai_audit.schema import CARRIERS, TRANSPLANTS
from xai_audit.types import Preprocess
from xai_audit.vision.geometry import view

SHOWN = ReportSettings(3, 64, 0, explore_images=100)


def written(paths, settings=SHOWN, mask_of=no_mask) -> dict:
    """Name -> the value that each file of data hands to the page."""
    write_flags(Run(paths.root), **FLAGS_AT)
    run = Run(paths.root)
    material = read_material(run, settings)
    draw_sheets(run, material.sheets, mask_of)
    write_explore(run, material)
    found = {}
    for file in paths.explore.glob("*.js"):
        name, value = re.fullmatch(r'xaiAudit\("(.+?)",(.*)\);\n', file.read_text()).groups()
        assert name == file.stem
        found[name] = json.loads(value)
    return found


def column(data, name):
    number, kind = data["index"]["columns"][name]
    return np.frombuffer(base64.b64decode(data[f"column-{number}"]), kind)


@pytest.fixture
def told(builder: RunBuilder, monkeypatch):
    """Photos in parts, two methods, some nulls; slices of five rows."""
    monkeypatch.setattr(slices, "SLICE", 5)
    monkeypatch.setattr("xai_audit.report.explore.build.SLICE", 5)
    rng = np.random.default_rng(0)
    for number in range(24):
        name = ("daisy", "tulip")[number % 2]
        masses = {f"mass_{r}": float(rng.random()) for r in ("border", "object", "background")}
        masses |= {"mass_border": None} if number == 3 else {}
        pred = {"pred": number % 3 % 2} if number != 5 else {"pred": None, "confidence": None}
        builder.add(f"{name}/{23 - number}.jpg", methods=("lrp", "gradcam"), **masses, **pred)
    paths = builder.write(part=9)
    carrier = {"cue": "border", "image_id": "daisy/1.jpg", "class_name": "daisy", "sure": 0.5}
    pq.write_table(table([carrier], CARRIERS), paths.carriers)
    return paths


def test_columns_and_rows_are_those_of_the_tables(told):
    data, scores = written(told), pd.read_parquet(told.scores)
    flags, index = pd.read_parquet(told.flags), data["index"]
    parts = [data[f"rows-{number:05d}"] for number in range(5)]
    ids = [image_id for part in parts for image_id in part["ids"]]
    assert ids == sorted({*scores["image_id"]})
    assert index["first"] == ids[::5]
    assert data["ids"] == ids
    for row, image_id in enumerate(ids):
        mine = scores[scores["image_id"] == image_id]
        first, (part, at) = mine.iloc[0], (parts[row // 5], row % 5)
        assert index["names"][column(data, "class")[row]] == first["class_name"]
        assert column(data, "right")[row] == (
            2 if pd.isna(first["pred"]) else int(first["pred"] == first["label"])
        )
        reasons = {*flags[flags["image_id"] == image_id]["reason"]}
        bits = column(data, "reasons")[row]
        assert {r for n, r in enumerate(REASONS) if bits >> n & 1} == reasons
        assert {flag[0] for flag in part["flags"].get(str(at), [])} == reasons
        for number, (method, kind) in enumerate(index["sets"]):
            (own,) = mine[(mine["method"] == method) & (mine["target_kind"] == kind)].to_dict(
                "records"
            )
            for place, score in enumerate(MEASURED):
                shown, true = part["values"][number][place][at], own[score]
                if true is None or pd.isna(true):
                    assert shown is None
                    continue
                assert shown == pytest.approx(float(true), rel=1e-3)
                if index["kinds"][method] == kind:
                    assert column(data, f"{method}/{score}")[row] == np.float32(true)
    assert data["carriers"] == {"border": [ids.index("daisy/1.jpg")]}


def test_of_a_photo_the_strongest_pairs_are_kept_one_a_cue(told):
    pairs = [
        {"class_name": "daisy", "cue": cue, "question": "pull", "image_id": "tulip/0.jpg"}
        | {"donor_with": "daisy/1.jpg", "donor_without": "gone.jpg", "given": given}
        | {"p_with": p, "p_without": 0.1}
        for cue, p, given in (
            *(("border", 0.3, None), ("border", 0.9, None), ("border", 1.0, "background")),
            *(("colour", 0.5, None), ("file", None, None), ("a", 0.2, None), ("b", 0.6, None)),
            ("c", 0.4, None),
        )
    ]
    told.transplants.mkdir()
    for number, rows in enumerate((pairs[:3], pairs[3:])):
        pq.write_table(table(rows, TRANSPLANTS), told.part(told.transplants, number))
    data = written(told)
    ids = [i for number in range(5) for i in data[f"rows-{number:05d}"]["ids"]]
    row = ids.index("tulip/0.jpg")
    shown = data[f"rows-{row // 5:05d}"]["pairs"][str(row % 5)]
    assert [(pair[0], pair[3]) for pair in shown] == [
        *(("border", 0.9), ("b", 0.6), ("colour", 0.5), ("c", 0.4))
    ]
    assert shown[0][5:] == [ids.index("daisy/1.jpg"), "gone.jpg"]


def test_of_very_many_photos_the_telling_ones_have_pictures(told):
    few = ReportSettings(3, 64, 0, explore_images=6)
    data = written(told, few)
    ids = [i for number in range(5) for i in data[f"rows-{number:05d}"]["ids"]]
    rows = [row for _, rows in data["index"]["sheets"] for row in rows]
    assert (len(rows), rows) == (6, sorted({*rows}))
    assert "daisy/1.jpg" in {ids[row] for row in rows}  # the carrier
    flagged = pd.read_parquet(told.flags)
    assert {*flagged[flagged["rank"] == 1]["image_id"]} & {ids[row] for row in rows}
    assert written(told, ReportSettings(3, 64, 0))["index"]["sheets"] == []


def test_a_sheet_has_the_view_of_the_model(builder):
    """Squares of 48 px of photos of 80 x 60 px: the middle, with its mask and heatmap."""
    photo = np.zeros((60, 80, 3), np.uint8)
    photo[:, :40] = 255
    builder.photo("daisy/1.jpg")
    Image.fromarray(photo).save(builder.photos / "daisy/1.jpg", quality=95)
    builder.add("daisy/1.jpg", heatmap=np.array([[0, 1.0], [2, 4]]))
    builder.add("daisy/2.jpg")  # no file
    paths = builder.write()
    data = written(paths, mask_of=lambda _: photo[:, :, 0])
    ((name, rows),) = data["index"]["sheets"]
    assert rows == [0, 1]
    sheet = np.asarray(Image.open(paths.explore / f"{name}.jpg").convert("L")).astype(int)
    assert sheet.shape == (6 * 192, 6 * 192)
    assert sheet[:192, :90].min() > 230
    assert sheet[:192, 102:190].max() < 25
    assert data[name]["drawn"] == [1, 0]
    height, width, level = data[name]["heat"]["gradcam"][0]
    assert (height, width) == (2, 2)
    assert [*base64.b64decode(level)] == [0, 64, 128, 255]
    bits = np.unpackbits(np.frombuffer(base64.b64decode(data[name]["masks"][0]), np.uint8))
    mask = bits.reshape(96, 96)
    assert mask[:, :46].all()
    assert not mask[:, 50:].any()
    assert data[name]["masks"][1] is None


def test_what_a_view_has_beyond_its_photo_is_black():
    geometry = view((40, 40), Preprocess.from_json({"resize": 40, "crop": [80, 80]}))
    seen = np.asarray(in_view(Image.new("L", (40, 40), 255), geometry, (16, 16)))
    assert (seen[4:12, 4:12] == 255).all()
    assert seen.sum() == 64 * 255


def test_the_same_again_writes_nothing_and_others_files_go(told):
    written(told)
    before = {file: file.stat().st_mtime_ns for file in told.explore.iterdir()}
    (told.explore / "sheet-9999-old.jpg").write_bytes(b"")
    written(told)
    assert {file: file.stat().st_mtime_ns for file in told.explore.iterdir()} == before


def test_the_page_without_scripts_leads_to_the_report(builder):
    paths = builder.write()
    assert written(paths)["index"]["count"] == 0
    text = paths.explore_html.read_text()
    assert "No photo was scored" in text
    assert re.search(r'<noscript>.*<a href="index.html">The report</a>.*</noscript>', text)
    assert not re.search(r'(src|href)="(?!data:,|#|index\.html)', text)


def test_the_report_links_to_the_page_that_is_there(tiny_run):
    from tests.report.conftest import reported

    reported(tiny_run)
    assert "explore.html" not in tiny_run.index_html.read_text()
    written(tiny_run, SMALL)
    reported(tiny_run)
    assert '<a href="explore.html">' in tiny_run.index_html.read_text()
    assert tiny_run.explore_html.is_file()
