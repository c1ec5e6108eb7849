"""Photos that vanish or change while the audit runs: none is taken for what it was before."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from tests import tiny
from xai_audit.errors import ImageProblem
from xai_audit.vision import opening
from xai_audit.work.runner import Driver

_CHANGED = "it has changed since it was listed; remedy: run the same command again"


def saved_anew(photo: Path) -> None:
    """The same picture in another file."""
    Image.open(photo).copy().save(photo, quality=60)


def test_before_the_main_pass_and_between_it_and_the_evidence(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "all")
    photos, out = tmp_path / "all" / "images", tmp_path / "out"
    run = Driver.run

    def changing(driver: Driver, stage: Any) -> None:
        if stage.name == "survey":
            saved_anew(photos / "stripes" / "0000.jpg")
            (photos / "stripes" / "0001.jpg").unlink()
        run(driver, stage)
        if stage.name == "index":
            saved_anew(photos / "circle" / "0000.jpg")
            (photos / "circle" / "0001.jpg").unlink()
            os.utime(photos / "square" / "0000.jpg")  # of the same size

    stages = "stages=[index,attribute,score,evidence,flag,report]"
    command = tiny.overrides(tmp_path / "all", out, stages, "max_failed_fraction=1")
    with monkeypatch.context() as patched:
        patched.setattr(Driver, "run", changing)
        done = tiny.audit(command)
    assert done.returncode == 0, done.stderr
    found = pd.read_parquet(out / "statuses.parquet").set_index("image_id")
    assert found.to_dict("index") == {
        "circle/0000.jpg": {"status": "changed", "error": _CHANGED},
        "circle/0001.jpg": {"status": "unreadable", "error": "no such file"},
        "square/0000.jpg": {"status": "changed", "error": _CHANGED},
    }
    lost = {*found.index}
    assert lost.isdisjoint(pd.read_parquet(out / "scores").image_id)
    lost |= {"stripes/0000.jpg", "stripes/0001.jpg"}
    said = done.stderr.splitlines()
    for name, why in (("stripes/0000.jpg", _CHANGED), ("stripes/0001.jpg", "no such file")):
        assert sum(f"{name} is left out from here on: {why}" in line for line in said) == 1
    assert lost.isdisjoint(pd.read_parquet(out / "evidence" / "photos.parquet").image_id)
    drawn = {f"{f.parts[-3].partition('-')[0]}/{f.name[:4]}.jpg" for f in out.rglob("images/*.jpg")}
    assert drawn
    assert lost.isdisjoint(drawn)

    done = tiny.audit(command)
    assert done.returncode == 0, done.stderr
    assert "left out" not in done.stderr.replace("left out by limit", "")
    fresh = tmp_path / "fresh"
    assert tiny.audit(tiny.overrides(tmp_path / "all", fresh)).returncode == 0
    for name in ("manifest.parquet", "statuses.parquet", "attributions", "scores"):
        pd.testing.assert_frame_equal(pd.read_parquet(fresh / name), pd.read_parquet(out / name))
    assert json.loads((out / "run.json").read_text())["counts"]["ok"] == 16


def test_a_copy_with_another_time_is_the_same_photo(folder, tmp_path):
    """As each machine of a cluster may have its own: only what changes from now on is another."""
    photo = next((folder / "images").rglob("*.jpg"))
    copy = tmp_path / "copy.jpg"
    shutil.copyfile(photo, copy)
    size, begun = photo.stat().st_size, opening._BEGAN
    stamp = (size, begun - 10**10)
    for moment, changed in ((begun - 10**9, False), (begun + 10**9, True)):
        os.utime(copy, ns=(moment, moment))
        with opening.opened(str(copy)) as file:
            if changed:
                with pytest.raises(ImageProblem, match="changed since it was listed"):
                    file.check_unchanged(stamp)
            else:
                file.check_unchanged(stamp)
    with opening.opened(str(copy)) as file, pytest.raises(ImageProblem, match="changed"):
        file.check_unchanged((size + 1, None))
