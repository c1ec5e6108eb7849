"""Heatmaps of another selection are taken from there: photos that went through are counted."""

from __future__ import annotations

import json
import os
import shutil

import pandas as pd
import pytest
import torch
from torch import nn

from tests import tiny

SEEN: list[int] = []
_STAGES = "stages=[index,attribute,score]"


def counting_net() -> nn.Module:
    """The small network, which counts the photos that go through it."""

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = tiny.net()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            SEEN.append(len(images))
            return self.body(images)

    return Counting()


@pytest.fixture
def photos(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "photos")


@pytest.fixture
def run(photos, tmp_path):
    """Audits into the folder of a name; how many images went through the model."""

    def audited(name, *more):
        words = tiny.overrides(photos, tmp_path / name, _STAGES, *more)
        # Opening it takes a few forwards of single images, which are not of photos.
        factory = "model.factory=tests.attribute.test_kept:counting_net"
        index = tiny.audit([*words, factory, "stages=[index]"])
        assert index.returncode == 0, index.stderr
        SEEN.clear()
        done = tiny.audit([*words, factory])
        assert done.returncode == 0, done.stderr
        return sum(SEEN)

    return audited


def tables(place):
    found = [pd.read_parquet(place / name) for name in ("attributions", "scores")]
    return [frame.sort_values([*frame.columns[:1], "method", "target_kind"]) for frame in found]


def same(one, other):
    for mine, theirs in zip(tables(one), tables(other), strict=True):
        assert list(mine["image_id"]) == list(theirs["image_id"])
        pd.testing.assert_frame_equal(mine, theirs, rtol=1e-3, atol=1e-4, check_like=False)


def test_a_sample_after_the_whole_and_the_whole_again_cost_nothing(run, tmp_path):
    whole = run("out")
    opening = run("out")  # nothing is to be done: what opening the model takes
    assert whole - opening >= 18
    assert run("out", "limit=7") == opening
    run("sample", "limit=7")
    same(tmp_path / "out", tmp_path / "sample")
    assert len({*pd.read_parquet(tmp_path / "out" / "scores")["image_id"]}) == 7
    assert run("out") == opening
    run("fresh")
    same(tmp_path / "out", tmp_path / "fresh")
    assert not [*(tmp_path / "out" / "kept").iterdir()]  # all of it is in the parts again


def test_the_whole_after_a_sample_explains_the_others(run, tmp_path):
    whole = run("fresh")
    opening = run("fresh")
    sample = run("out", "limit=7") - opening
    rest = run("out") - opening
    assert 0 < sample < whole - opening
    # Photos that share a batch share a forward, so that the sum is that of the photos.
    assert sample + rest == whole - opening
    same(tmp_path / "out", tmp_path / "fresh")


def test_a_photo_that_was_added_is_the_only_one_explained(run, photos, tmp_path):
    whole, opening = run("out"), run("out")
    each = (whole - opening) // 18
    shutil.copy(photos / "images/circle/0001.jpg", photos / "images/circle/0000a.jpg")
    assert run("out") - opening == each
    run("fresh")
    same(tmp_path / "out", tmp_path / "fresh")


def test_a_changed_photo_and_other_settings_are_explained_anew(run, photos, tmp_path):
    whole, opening = run("out"), run("out")
    each = (whole - opening) // 18
    run("out", "limit=7")
    changed = photos / "images/circle/0001.jpg"
    shutil.copy(photos / "images/circle/0002.jpg", changed)
    os.utime(changed, (1, 1))
    assert run("out") - opening == each
    run("out", "limit=7")
    assert [*(tmp_path / "out" / "kept").iterdir()]
    other = run("out", "method.layers=['body.1']") - opening
    assert other >= whole - opening  # not one heatmap of the other layer is taken
    assert not [*(tmp_path / "out" / "kept").iterdir()]


def test_a_photo_that_failed_stays_failed(run, photos, tmp_path):
    bad = photos / "images/circle/0003.jpg"
    data = bad.read_bytes()
    bad.write_bytes(data[: len(data) // 2])
    run("out", "max_failed_fraction=1")
    before = pd.read_parquet(tmp_path / "out" / "statuses.parquet")
    assert list(before["image_id"]) == ["circle/0003.jpg"]
    run("out", "max_failed_fraction=1", "limit=15")
    run("out", "max_failed_fraction=1")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out" / "statuses.parquet"), before)
    counts = json.loads((tmp_path / "out" / "run.json").read_text())["counts"]
    assert counts["failed"] == 1
