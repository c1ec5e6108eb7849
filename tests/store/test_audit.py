"""An audit whose photos, masks and checkpoint lie in an S3 store, also where the network is bad."""

from __future__ import annotations

import re
import time

import pandas as pd
import pytest
import torch

from tests import tiny
from tests.work.test_local import equal

pytestmark = [pytest.mark.xdist_group("store"), pytest.mark.timeout(120)]

MAIN = ("manifest.parquet", "attributions", "scores")
# A photo's time of change is the store's own.
TIMES = ["mtime_ns"]


def remote(stored, out, *more):
    """The audit of ``tests.tiny`` with everything that is read in the store."""
    return [
        *tiny.overrides(tiny.REPO, out), f"dataset.root={stored}/images",
        f"masks.root={stored}/masks", "store.timeout=1", *more,
    ]  # fmt: skip


def differing(left, right, tables=MAIN):
    found = []
    for name in tables:
        one, other = (pd.read_parquet(out / name) for out in (left, right))
        one, other = (each.drop(columns=TIMES, errors="ignore") for each in (one, other))
        if list(one) != list(other) or len(one) != len(other):
            return [name]
        for column in one:
            most = 2e-3 if column == "heatmap" else 1e-5
            pairs = zip(one[column], other[column], strict=True)
            if not all(equal(a, b, most) for a, b in pairs):
                found.append(f"{name}: {column}")
    return found


@pytest.fixture(scope="module")
def local(folder, tmp_path_factory):
    """The audit of the same files in the file system."""
    out = tmp_path_factory.mktemp("local") / "out"
    done = tiny.audit(tiny.overrides(folder, out))
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_network_changes_no_row(faulty, stored, local, tmp_path, workers):
    faulty.share = 0.1
    cache = tmp_path / "cache"
    done = tiny.audit(
        remote(
            stored,
            tmp_path / "out",
            f"compute.num_workers={workers}",
            f"store.cache={cache}",
            f"store.cache_gb={1 if workers else 0}",
            "store.retries=8",
        )  # fmt: skip
    )
    assert done.returncode == 0, done.stderr
    assert sum(faulty.done.values()) >= 5
    assert differing(tmp_path / "out", local) == []


def test_every_photo_is_read_from_the_store_once(counted, stored, folder, tmp_path):
    """Index, main pass, survey and transplants share what one of them has read."""
    names = [f"/photos/tiny/images/{p.relative_to(folder / 'images')}" for p in
             (folder / "images").rglob("*.jpg")]  # fmt: skip
    cache = f"store.cache={tmp_path / 'cache'}"
    some = "stages=[index,attribute,score,evidence,flag,report]"
    done = tiny.audit(remote(stored, tmp_path / "out", some, cache))
    assert done.returncode == 0, done.stderr
    assert {counted.seen["GET", name] for name in names} == {1}
    assert {counted.seen["HEAD", name] for name in names} == {1}
    counted.seen.clear()
    done = tiny.audit(remote(stored, tmp_path / "again", cache))
    assert done.returncode == 0, done.stderr
    assert {counted.seen["GET", name] for name in names} == {0}  # asked, and still the same
    assert {counted.seen["HEAD", name] for name in names} == {1}


def test_a_photo_that_goes_between_index_and_main_pass_is_a_row(counted, stored, tmp_path):
    out, off = tmp_path / "out", ("store.cache_gb=0", "max_failed_fraction=0.5")
    done = tiny.audit(remote(stored, out, "stages=[index]", *off))
    assert done.returncode == 0, done.stderr
    counted.gone.add("/photos/tiny/images/circle/0001.jpg")
    done = tiny.audit(remote(stored, out, *off))
    assert done.returncode == 0, done.stderr
    statuses = pd.read_parquet(out / "statuses.parquet").set_index("image_id")
    assert list(statuses.index) == ["circle/0001.jpg"]
    assert tuple(statuses.iloc[0]) == ("unreadable", "no such file")


def test_a_changed_photo_is_noticed_though_its_size_is_the_same(s3, folder, tmp_path):
    s3.upload(folder, "changing")
    out, cache = tmp_path / "out", f"store.cache={tmp_path / 'cache'}"
    command = remote("s3://photos/changing", out, cache)
    assert tiny.audit(command).returncode == 0
    before = pd.read_parquet(out / "scores").set_index("image_id")
    sizes = {p: p.stat().st_size for p in (folder / "images" / "circle").glob("*.jpg")}
    first = max(sizes, key=sizes.__getitem__)
    other = min(sizes, key=sizes.__getitem__)
    content = other.read_bytes().ljust(sizes[first], b"\0")
    s3.put(f"changing/images/circle/{first.name}", content)
    done = tiny.audit(command)
    assert done.returncode == 0, done.stderr
    after = pd.read_parquet(out / "scores").set_index("image_id")
    changed = (before.relevance_total != after.relevance_total).groupby(level=0).any()
    assert list(changed[changed].index) == [f"circle/{first.name}"]


def test_checkpoint_table_and_masks_come_from_the_store(s3, stored, folder, tmp_path):
    weights = tmp_path / "net.pth"
    torch.save(tiny.net(seed=3).state_dict(), weights)
    s3.put("tiny/net.pth", weights.read_bytes())
    rows = [
        f"{prefix}images/{p.parent.name}/{p.name},{p.parent.name},masks/{p.parent.name}/{p.stem}.png"
        for p, prefix in zip(
            sorted((folder / "images").rglob("*.jpg")),
            ["", f"{stored}/", "./"] * 6,
            strict=True,
        )
    ]
    s3.put("tiny/photos.csv", "\n".join(["path,label,mask", *rows]).encode())
    table = "\n".join(["path,label,mask", *rows]).replace(f"{stored}/", "")
    (tmp_path / "photos.csv").write_text(table)
    outs = []
    for keys in (
        [f"dataset.file={stored}/photos.csv", f"model.checkpoint={stored}/net.pth"],
        [f"dataset.file={tmp_path}/photos.csv", f"dataset.root={folder}"]
        + [f"model.checkpoint={weights}"],
    ):
        outs.append(tmp_path / f"out{len(outs)}")
        command = tiny.overrides(tiny.REPO, outs[-1])
        command = [each for each in command if not each.startswith(("dataset", "masks"))]
        done = tiny.audit([*command, "dataset=csv", "masks=dataset", *keys])
        assert done.returncode == 0, done.stderr
    one, other = (pd.read_parquet(out / "manifest.parquet") for out in outs)
    assert list(one["image_id"]) == list(other["image_id"])
    assert one["mask"].iloc[0].startswith("s3://photos/tiny/masks/")
    assert differing(*outs, ["attributions", "scores"]) == []


def line_of(done):
    """The one line that a command ended in."""
    lines = done.stderr.strip().splitlines()
    assert "Traceback" not in done.stderr
    assert done.returncode == 2, done.stderr
    return lines[-1]


def test_an_endpoint_that_is_away_is_one_line_within_a_minute(s3, monkeypatch, stored, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    begin = time.monotonic()
    line = line_of(tiny.audit(remote(stored, tmp_path / "out")))
    assert time.monotonic() - begin < 60
    assert "dataset.root cannot be listed: s3://photos/tiny/images" in line
    assert "got no answer" in line
    assert "check network and endpoint" in line


def test_an_endpoint_that_never_answers_is_one_line(faulty, stored, tmp_path):
    faulty.share, faulty.faults, faulty.silence = 1.0, ("silence",), 3.0
    begin = time.monotonic()
    more = ("store.timeout=0.5", "store.retries=1")
    assert "got no answer" in line_of(tiny.audit(remote(stored, tmp_path / "out", *more)))
    assert time.monotonic() - begin < 20


def test_a_store_that_goes_away_ends_the_run_and_not_every_photo(faulty, stored, local, tmp_path):
    """The part in hand is not committed, and the next run goes on."""
    faulty.share, out = 0.0, tmp_path / "out"
    more = ("store.retries=0", "store.cache_gb=0", "compute.batch_size=1", "compute.part_size=18")
    assert tiny.audit(remote(stored, out, *more, "stages=[index]")).returncode == 0
    faulty.share, faulty.faults, faulty.only = 1.0, ("error",), (".jpg", ".png")
    for workers in (0, 1):
        done = tiny.audit(remote(stored, out, *more, f"compute.num_workers={workers}"))
        assert done.returncode == 1
        line = done.stderr.splitlines()[-1]
        assert re.search(r"the store did not answer for 1\d files in a row: s3://photos/tiny", line)
        assert "then run the same command again" in line
        assert "Traceback" not in done.stderr
    faulty.share = 0.0
    assert tiny.audit(remote(stored, out, *more)).returncode == 0
    assert differing(out, local) == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["dataset.root=s3://no-such-bucket/x"], ["dataset.root", "no such bucket"]),
        (["dataset.root=s3://photos/none"], ["dataset.root", "nothing there"]),
        (["dataset.root=gs://photos/x"], ["a package is missing", "xai-audit[gcs]"]),
        (["dataset.root=ftp://photos/x"], ["no such address: ftp://photos/x", "s3, gs"]),
        (["dataset.root=s3://"], ["no such address", "got no place"]),
        (["dataset.root=s3://me:secret@photos/x"], ["holds credentials: s3://...@photos/x"]),
        (["model.checkpoint=s3://photos/none.pth"], ["s3://photos/none.pth", "nothing there"]),
        (["masks.root=s3://photos/none"], ["masks.root=s3://photos/none", "nothing there"]),
    ],
)
def test_a_wrong_address_is_one_line(s3, stored, tmp_path, more, words):
    line = line_of(tiny.audit(remote(stored, tmp_path / "out", *more)))
    assert [word for word in words if word not in line] == []
    assert "secret" not in line


def test_no_credentials_is_one_line_and_none_is_shown(s3, stored, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    line = line_of(tiny.audit(remote(stored, tmp_path / "out")))
    assert "no credentials" in line
    assert "AWS_ACCESS_KEY_ID" in line
