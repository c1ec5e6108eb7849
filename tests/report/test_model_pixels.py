"""The report shows the pixels that the model saw, not another decoding of the same file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageEnhance

from tests import planted
from tests.report.built import build_report
from tests.report.conftest import FLAGS_AT
from xai_audit.flags.outliers import write_flags
from xai_audit.index.rows import probe_all
from xai_audit.masks.none import NoMasks
from xai_audit.report import overlay
from xai_audit.report.overlay import open_photo
from xai_audit.report.picture import ReportSettings
from xai_audit.run.manifest import record_of
from xai_audit.run.reader import Run
from xai_audit.schema import MANIFEST
from xai_audit.types import Entry, Preprocess
from xai_audit.vision.loader import LoadSettings, Photos

# The view is the photo itself: what the transform got is what it gives.
WHOLE = Preprocess(resize=None, crop=planted.UPRIGHT)
TILE = min(planted.UPRIGHT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("planted")
    planted.plant(folder / "daisy")
    return folder


@pytest.fixture(scope="module")
def manifest(folder) -> pa.Table:
    entries = [
        Entry(f"daisy/{file.name}", "daisy") for file in sorted((folder / "daisy").iterdir())
    ]
    rows = list(probe_all(entries, folder, max_pixels=10**6, threads=1))
    assert {row["status"] for row in rows} == {"ok"}
    return pa.Table.from_pylist(
        [row | {"label": 0, "selected": True} for row in rows], schema=MANIFEST
    )


@pytest.fixture(scope="module")
def model_saw(folder, manifest) -> dict[str, np.ndarray]:
    """image_id -> what the model's transform gives the model, (H, W, 3) uint8."""
    load = LoadSettings(folder, WHOLE, 10**6, 4, 0)
    photos = Photos(manifest, NoMasks(), load)
    items = [photos[row] for row in range(len(photos))]
    return {item.record.image_id: item.photo.permute(1, 2, 0).numpy() for item in items}


def test_a_drawn_photo_is_pixel_for_pixel_what_the_model_saw(folder, manifest, model_saw):
    assert len(model_saw) == 34
    for row in range(manifest.num_rows):
        record = record_of(manifest, row, folder)
        drawn, stored = open_photo(Path(record.path), TILE)
        assert stored == planted.UPRIGHT
        np.testing.assert_array_equal(np.asarray(drawn), model_saw[record.image_id])


def test_transparency_floats_and_turned_photos_are_as_planted(model_saw):
    """The two ways agree on something: alpha dropped, numbers scaled, the photo upright."""
    rgba, deep = model_saw["daisy/rgba.png"], model_saw["daisy/deep.png"]
    np.testing.assert_array_equal(model_saw["daisy/rgba_webp.webp"], rgba)
    np.testing.assert_array_equal(deep, rgba[..., :1].repeat(3, 2))
    np.testing.assert_array_equal(model_saw["daisy/float.tif"], deep)
    flipped = {
        1: rgba, 2: rgba[:, ::-1], 3: rgba[::-1, ::-1], 4: rgba[::-1],
        5: rgba, 6: rgba[:, ::-1], 7: rgba[::-1, ::-1], 8: rgba[::-1],
    }  # fmt: skip
    for turned, expected in flipped.items():
        np.testing.assert_array_equal(model_saw[f"daisy/turned_{turned}_png.png"], expected)
        np.testing.assert_array_equal(model_saw[f"daisy/turned_{turned}_tif.tif"], expected)


def test_the_gallerys_files_show_it(builder, folder, model_saw):
    """The pictures that the report writes, read back, but for the JPEG that they are."""
    builder.photos = folder
    size = planted.UPRIGHT[::-1]
    for image_id in model_saw:
        builder.add(image_id, heatmap=np.zeros((2, 2)), size=size)
    builder.record = {
        "preprocess": {"resize": None, "crop": list(planted.UPRIGHT)},
        "regions": {},
    }
    run = Run(builder.write().root)
    write_flags(run, **FLAGS_AT)
    build_report(run, ReportSettings(per_reason=99, tile=TILE, seed=0), lambda _: None)
    files = list(run.paths.gallery.glob("*/images/*.jpg"))
    assert len(files) == len(model_saw)
    shown = {file.name.rpartition("-")[0]: file for file in files}
    for image_id, pixels in model_saw.items():
        with Image.open(shown[Path(image_id).stem]) as image:
            found = np.asarray(image.crop((0, 0, *size)), int)
        muted = ImageEnhance.Color(Image.fromarray(pixels)).enhance(overlay._COLOURS)
        error = np.abs(found - np.asarray(muted, int)).mean()
        assert error < 5, (image_id, error)
