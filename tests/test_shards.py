"""The same photos in a folder, in tars, in Parquet and in a saved data set: the same audit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests import tiny
from tests.data.shards import parquet_of, photo_files, saved_of, tar_of

pytestmark = pytest.mark.xdist_group("shards")
# What a member of a shard cannot have as a file of its own has it.
_OF_FILES = {"manifest.parquet": ["mtime_ns", "raw_path", "file_bytes"]}
MORE = [
    "stages=[index,attribute,score,evidence,flag]", "cues=[border,jpeg_quality,file]",
    "max_failed_fraction=0.2",
]  # fmt: skip
TABLES = (
    "manifest.parquet", "attributions", "scores", "transplants", "evidence.parquet",
    "summary.parquet", "flags.parquet",
)  # fmt: skip


def audited(keys: list[str], root: Path, out: Path, *more: str) -> Path:
    """The output folder of an audit of the dataset ``keys``, with the masks of ``root``."""
    others = ("dataset", "masks") if "masks=none" in more else ("dataset",)
    plain = [k for k in tiny.overrides(root, out, *MORE) if not k.startswith(others)]
    done = tiny.audit([*keys, *plain, *more])
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Photos of three classes, one of them damaged and one without bytes."""
    root = tiny.make_folder(tmp_path_factory.mktemp("shards") / "data", per_class=8)
    photos = [path for _, path in photo_files(root / "images")]
    photos[3].write_bytes(photos[3].read_bytes()[:700])
    photos[12].write_bytes(b"")
    return root


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def on_disk(home: Path, shard: str, names: list[str], *more: str) -> Path:
    """The audit of files below a folder with the shard's name, so that image ids are the same."""
    root = home.parent / f"files-{shard}"
    out = home.parent / f"out-{shard}{len(more)}{Path(names[0]).stem}"
    if (out / "flags.parquet").is_file():
        return out
    rows = []
    for (kind, photo), name in zip(photo_files(home / "images"), names, strict=True):
        (root / shard / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, root / shard / name)
        rows.append(f"{shard}/{name},{kind}\n")
    (root / "t.csv").write_text("path,label\n" + "".join(rows))
    keys = ["dataset=csv", f"dataset.file={root}/t.csv", "dataset.name=photos"]
    return audited(keys, home, out, *more)


def same(one: Path, other: Path, *without: str) -> None:
    """Every table alike, but for what only files have."""
    for name in TABLES:
        left, right = (
            pd.read_parquet(out / name).drop(
                columns=[*_OF_FILES.get(name, []), *without], errors="ignore"
            )
            for out in (one, other)
        )
        pd.testing.assert_frame_equal(left, right, rtol=1e-6, atol=1e-6, check_dtype=False)
    manifest = pd.read_parquet(other / "manifest.parquet")
    assert sorted(manifest.status.unique()) == ["empty", "ok"]
    statuses = pd.read_parquet(other / "statuses.parquet")
    assert list(statuses.status) == ["unreadable"]


def own_names(home: Path) -> list[str]:
    return [f"{kind}/{photo.name}" for kind, photo in photo_files(home / "images")]


@pytest.fixture(scope="module")
def classes(home) -> str:
    (home.parent / "classes.txt").write_text("\n".join(tiny.CLASSES))
    return str(home.parent / "classes.txt")


@pytest.mark.parametrize(
    "keys",
    [
        [],
        ["dataset.label_key=class"],
        ["dataset.classes={classes}", "compute.num_workers=2"],
    ],
    ids=["folders", "json", "cls"],
)
def test_a_tar_is_audited_as_its_files_are(home, classes, tmp_path, keys):
    parts = {0: (), 1: ("json",), 2: ("cls", "json")}[len(keys)]
    tar_of(home / "images", tmp_path / "tars" / "photos.tar", parts=parts)
    given = ["dataset=webdataset", f"dataset.root={tmp_path}/tars", "dataset.name=photos"]
    given += [key.format(classes=classes) for key in keys]
    out = audited(given, home, tmp_path / "out")
    same(on_disk(home, "photos.tar", own_names(home)), out)


@pytest.mark.parametrize(("compression", "named"), [("none", True), ("snappy", False)])
def test_parquet_is_audited_as_its_files_are(home, tmp_path, compression, named):
    file = tmp_path / "photos.parquet"
    parquet_of(home / "images", file, own_names=named, compression=compression, row_group_size=5)
    given = ["dataset=parquet", f"dataset.file={file}", "dataset.name=photos"]
    out = audited(given, home, tmp_path / "out", "masks=none")
    numbered = [f"{number:06d}.jpg" for number in range(24)]
    names = own_names(home) if named else numbered
    same(on_disk(home, "photos.parquet", names, "masks=none"), out)


def test_a_saved_data_set_is_audited_as_its_files_are(home, tmp_path):
    saved_of(home / "images", tmp_path / "saved")
    given = ["dataset=huggingface", f"dataset.path={tmp_path}/saved", "dataset.name=photos"]
    more = ["masks=none"]
    out = audited(given, home, tmp_path / "out", *more)
    names = [f"{number:06d}.jpg" for number in range(24)]
    disk = on_disk(home, "test", names, *more)
    frame = pd.read_parquet(out / "manifest.parquet")
    assert (frame["split"] == "test").all()
    same(disk, out, "split")  # which a folder does not tell


def test_a_photo_that_changes_in_its_tar_is_noticed(home, tmp_path):
    tar = tar_of(home / "images", tmp_path / "tars" / "photos.tar", parts=())
    given = ["dataset=webdataset", f"dataset.root={tmp_path}/tars"]
    command = [
        *given,
        *(k for k in tiny.overrides(home, tmp_path / "out", "limit=9", "max_failed_fraction=0.2")
          if not k.startswith(("dataset=", "dataset.root="))),
    ]  # fmt: skip

    def scores():
        done = tiny.audit(command)
        assert done.returncode == 0, done.stderr
        files = (tmp_path / "out" / "scores").glob("*.parquet")
        frame = pd.read_parquet(tmp_path / "out" / "scores").set_index("image_id")
        return frame.confidence, {file: file.stat().st_mtime_ns for file in files}

    first, made = scores()
    assert first.index.nunique() == 9
    again, kept = scores()
    assert kept == made
    data = bytearray(tar.read_bytes())
    photo = Path(home / "images" / first.index[0].removeprefix("photos.tar/")).read_bytes()
    place = data.index(photo)
    middle = place + len(photo) // 2
    data[middle : middle + 40] = bytes(40)  # as many bytes, other pixels
    tar.write_bytes(data)
    changed, _ = scores()
    assert (changed != again)[first.index[0]].any()
    others = changed.index != first.index[0]
    pd.testing.assert_series_equal(changed[others], first[others])


def test_an_output_folder_among_shards_is_refused_where_it_would_be_listed(home, tmp_path):
    tar_of(home / "images", tmp_path / "photos.tar")
    parquet_of(home / "images", tmp_path / "photos.parquet")
    index = [f"output_dir={tmp_path}/out", "stages=[index]", "max_failed_fraction=0.2"]
    refused = tiny.audit(["dataset=parquet", f"dataset.file={tmp_path}", *index])
    assert refused.returncode == 2
    assert "the output folder lies among the photos" in refused.stderr
    for given in (
        ["dataset=parquet", f"dataset.file={tmp_path}/photos.parquet"],
        ["dataset=webdataset", f"dataset.root={tmp_path}"],
    ):
        done = tiny.audit([*given, *index[1:], f"output_dir={tmp_path}/out-{given[0][8:]}"])
        assert done.returncode == 0, done.stderr
