"""A run whose masks are all unusable ends with the reason before the model sees a photo."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from tests import tiny
from xai_audit.config.compose import compose
from xai_audit.errors import DatasetError, MaskProblem
from xai_audit.index.masks import check_masks
from xai_audit.masks import _meaning
from xai_audit.masks.dataset import DatasetMasks
from xai_audit.schema import MANIFEST


class Masks:
    """Masks of the given statuses by image_id; ``ok`` is usable, None not in use."""

    def __init__(self, statuses):
        self.statuses, self.loaded = statuses, []

    def load(self, image):
        self.loaded.append(image.image_id)
        status = self.statuses[image.image_id]
        if status not in ("ok", None):
            raise MaskProblem(status, f"{status} of {image.image_id}")
        return None if status is None else np.zeros((2, image.height, image.width), np.uint8)


class Named(Masks, DatasetMasks):
    """Masks that the dataset itself names."""


def audit(tmp_path, statuses, masks=None, source=Masks):
    rows = [
        {"image_id": name, "class_name": "a", "label": 0, "height": 2, "width": 3, "selected": True}
        | {"status": "ok", "mask": (masks or {}).get(name)}
        for name in statuses
    ]
    table = pa.Table.from_pylist(rows, schema=MANIFEST)
    (tmp_path / "manifest.parquet").touch()
    return SimpleNamespace(
        paths=SimpleNamespace(manifest=tmp_path / "manifest.parquet"),
        usable=lambda: table,
        mask_mark=lambda _: [],
        masks=source(statuses),
        dataset=SimpleNamespace(root=tmp_path),
        settings=SimpleNamespace(masks={"_target_": "", "object": None}),
    )


def test_one_usable_mask_is_enough(tmp_path):
    statuses = {f"{n}.jpg": "missing" for n in range(50)} | {"x.jpg": "ok"}
    check_masks(audit(tmp_path, statuses))
    without = audit(tmp_path, dict.fromkeys(statuses))
    check_masks(without)
    assert len(without.masks.loaded) == 1
    check_masks(audit(tmp_path, {}))


def test_none_usable_is_an_error_with_each_reason_and_the_remedy(tmp_path):
    statuses = {"a.jpg": "missing", "b.jpg": "empty", "c.jpg": "empty"}
    with pytest.raises(DatasetError) as caught:
        check_masks(audit(tmp_path, statuses))
    assert "no photo has a usable object mask: 3 photos" in str(caught.value)
    assert "got 2 empty, as empty of " in str(caught.value)
    assert "; 1 missing, as missing of a.jpg" in str(caught.value)
    assert "remedy: masks.object=[...], the values that are object; or masks=none" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("status", "key", "says"),
    [
        ("empty", "categories", "masks.categories=null"),
        ("empty", "file", "correct the masks"),
        ("ambiguous", "object", r"masks.object=\[\.\.\.\]"),
    ],
)
def test_the_remedy_is_a_key_that_the_masks_have(tmp_path, status, key, says):
    job = audit(tmp_path, {"a.jpg": status})
    job.settings.masks = {"_target_": "", key: None}
    with pytest.raises(DatasetError, match=f"remedy: {says}"):
        check_masks(job)


def test_where_a_table_names_some_masks_only_those_are_tried(tmp_path):
    statuses = {"a.jpg": "missing", "b.jpg": "ok", "c.jpg": "missing"}
    job = audit(tmp_path, statuses, {"b.jpg": "/m/b.png"}, source=Named)
    check_masks(job)
    assert job.masks.loaded == ["b.jpg"]
    job = audit(tmp_path, statuses | {"b.jpg": "empty"}, {"b.jpg": "/m/b.png"}, source=Named)
    with pytest.raises(DatasetError, match="1 photos"):
        check_masks(job)


def test_masks_that_wait_for_a_key_are_logged_where_others_are_usable(tmp_path, caplog):
    statuses = {f"{n}.jpg": "ambiguous" for n in range(50)} | {"x.jpg": "ok"}
    check_masks(audit(tmp_path, statuses))
    (message,) = (record.getMessage() for record in caplog.records)
    assert message.startswith("index: some masks are not used, as ambiguous of ")
    check_masks(audit(tmp_path, dict.fromkeys(statuses, "missing") | {"x.jpg": "ok"}))
    assert len(caplog.records) == 1


def test_masks_of_a_folder_are_tried_whatever_a_table_names(tmp_path):
    statuses = {"a.jpg": "ok", "b.jpg": "missing", "c.jpg": "ok"}
    check_masks(audit(tmp_path, statuses, {"b.jpg": "/m/b.png"}))


def test_the_command_ends_before_the_heatmaps(folder, tmp_path):
    root = tmp_path / "photos"
    shutil.copytree(folder, root)
    for path in (root / "masks").rglob("*.png"):
        Image.new("L", (5, 5), 255).save(path)
    result = tiny.audit(tiny.overrides(root, tmp_path / "out"))
    assert result.returncode == 2
    last = result.stderr.strip().splitlines()[-1]
    assert "no photo has a usable object mask" in last
    assert "size_mismatch, as " in last
    assert "remedy: store the masks at the full size of their photos; or masks=none" in last
    assert not (tmp_path / "out" / "attributions").exists()


def test_how_masks_are_read_is_logged(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(_meaning, "_logged", set())  # by no test before
    root = tmp_path / "photos"
    shutil.copytree(folder, root)
    for path in (root / "masks").rglob("*.png"):
        pixels = np.asarray(Image.open(path))
        Image.fromarray((pixels == 255).astype(np.uint8)).save(path)
    result = tiny.audit(tiny.overrides(root, tmp_path / "out", "compute.num_workers=1"))
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("1 is object, 0 background; masks.object=[...] says") == 1


def table_of(root, file, *, column):
    lines = ["path,label,mask" if column else "path,label"]
    for photo in sorted((root / "images").rglob("*.jpg")):
        cells = [f"images/{photo.parent.name}/{photo.name}", photo.parent.name]
        mask = f"masks/{photo.parent.name}/{photo.stem}.png"
        # One cell is empty: that photo has no mask.
        cells += [mask if photo.stem != "0000" else ""] if column else []
        lines.append(",".join(cells))
    file.write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("column", "key", "usable"),
    [(True, None, True), (True, "masks=none", False), (False, None, False)],
)
def test_the_column_mask_of_a_table_needs_no_key(folder, tmp_path, column, key, usable):
    table_of(folder, tmp_path / "photos.csv", column=column)
    command = ["dataset=csv", f"dataset.file={tmp_path / 'photos.csv'}", f"dataset.root={folder}"]
    command += [key] if key else []
    result = tiny.audit([*command, *tiny.overrides(folder, tmp_path / "out")[4:]])
    assert result.returncode == 0, result.stderr
    scores = pd.read_parquet(tmp_path / "out" / "scores").set_index("image_id")
    without = scores.index.str.endswith("/0000.jpg")
    assert set(scores.mask_status[without]) == {"none"}
    assert set(scores.mask_status[~without]) == {"ok" if usable else "none"}
    assert scores.area_object[~without].notna().all() == usable


def test_a_key_for_masks_goes_before_the_column():
    def target(*keys):
        return compose(["dataset=csv", "dataset.file=x.csv", *keys]).settings.masks["_target_"]

    assert target().endswith("DatasetMasks")
    assert target("masks=none").endswith("NoMasks")
    assert target("masks=folder", "masks.root=.").endswith("FolderMasks")
