"""What other tools get of a run: against the tables, and against the tools where they install."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import xai_audit
from tests import tiny
from xai_audit.errors import OutputError
from xai_audit.notebook.export import fiftyone_samples, heatmaps, photo_table
from xai_audit.run.verdicts import kinds_of_run

pytestmark = pytest.mark.xdist_group("notebook")


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("export") / "out"
    stages = "stages=[index,attribute,score,flag]"
    given = tiny.overrides(folder, out, stages, "methods=[gradcam,saliency]")
    assert tiny.audit(given).returncode == 0
    return xai_audit.load(out)


def test_a_row_a_photo(run):
    table = photo_table(run)
    assert table["image_id"].tolist() == run.manifest["image_id"].tolist()
    assert [Path(path).relative_to(run.config["dataset"]["root"]).as_posix()
            for path in table["path"]] == table["image_id"].tolist()  # fmt: skip
    rows = run.scores[run.scores["method"] == "gradcam"]
    rows = rows[rows["target_kind"] == rows["target_kind"].iloc[0]].set_index("image_id")
    for row in table.itertuples():
        theirs = rows.loc[row.image_id]
        assert row.pred == tiny.CLASSES[theirs["pred"]]
        assert row.correct == (row.pred == row.class_name)
        assert row.confidence == theirs["confidence"]
        flags = run.flags[run.flags["image_id"] == row.image_id]["reason"]
        assert row.flags == sorted(set(flags))
    assert table["flags"].map(len).sum() > 0


def test_heatmaps_lie_on_the_whole_photo(run):
    """Against the one on the photo's own pixels, shrunk; black where the model saw nothing."""
    found = dict(heatmaps(run, run.manifest["image_id"].tolist()))
    assert {*found} == {*run.manifest["image_id"]}
    for image_id in ("circle/0003.jpg", "square/0001.jpg"):
        whole = np.nan_to_num(run.heatmap(image_id, target=kinds_of_run(run)["gradcam"]))
        size = found[image_id].shape
        assert max(size) == 64
        small = np.asarray(Image.fromarray(whole).resize(size[::-1], Image.Resampling.BOX))
        small = small / small.max()
        assert np.corrcoef(found[image_id].ravel(), small.ravel())[0, 1] > 0.98
        assert found[image_id].max() == 1


def test_photos_that_are_no_files(run, tmp_path, monkeypatch):
    real = Path.is_file
    monkeypatch.setattr(Path, "is_file", lambda self: self.suffix != ".jpg" and real(self))
    with pytest.raises(OutputError, match="these photos cannot be handed to another tool"):
        photo_table(run)


@pytest.mark.parametrize("package", ["fiftyone", "renumics.spotlight"])
def test_a_tool_that_is_not_installed(run, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    call = run.to_fiftyone if package == "fiftyone" else run.to_spotlight
    with pytest.raises(OutputError, match=r"is not installed: .*remedy: pip install "):
        call()


def test_samples_of_fiftyone(run):
    pytest.importorskip("fiftyone")
    table, samples = photo_table(run), list(fiftyone_samples(run))
    table = table.astype({"mass_border": object}).where(table.notna(), None)
    assert [sample.filepath for sample in samples] == table["path"].tolist()
    for sample, row in zip(samples, table.itertuples(), strict=True):
        assert sample.prediction.label == row.pred
        assert sample.ground_truth.label == row.class_name
        assert sample.tags == row.flags
        assert sample.heatmap.map.shape[0] <= 64
        assert sample.mass_border == pytest.approx(row.mass_border) or row.mass_border is None


def test_a_viewer_of_spotlight(run):
    pytest.importorskip("renumics.spotlight")
    viewer = run.to_spotlight(no_browser=True, wait=False)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{viewer.port}/api/table/") as answer:
            columns = {c["name"]: c for c in json.load(answer)["columns"]}
        assert columns["path"]["dtype"]["name"] == "Image"
        assert columns["image_id"]["values"] == run.manifest["image_id"].tolist()
    finally:
        viewer.close()
