"""A user's dataset whose photos are members of an archive is audited as a folder of files is."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd
import pytest

from tests import tiny
from xai_audit.types import Entry

pytestmark = pytest.mark.xdist_group("archive")  # they share two runs

STAGES = "stages=[index,attribute,score,evidence,flag,report]"


class Zipped:
    """Photos ``<class>/<file>`` inside a zip, as a plugin of a user's own."""

    class_to_idx = None

    def __init__(self, *, name: str, root: str) -> None:
        self.name, self.root = name, Path(root)

    def prepare(self) -> None:
        """Nothing is missing."""

    def _members(self) -> list[str]:
        with zipfile.ZipFile(self.root) as archive:
            return sorted(name for name in archive.namelist() if not name.endswith("/"))

    def class_names(self) -> tuple[str, ...]:
        return tuple(sorted({member.split("/")[0] for member in self._members()}))

    def entries(self):
        for member in self._members():
            yield Entry(member, member.split("/")[0])

    def open(self, path: str):
        # Not one archive for all: threads and processes would share its place in the file.
        with zipfile.ZipFile(self.root) as archive:
            return archive.open(Path(path).relative_to(self.root).as_posix())


def zipped(root: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        for file in sorted((root / "images").rglob("*.*")):
            made.write(file, file.relative_to(root / "images").as_posix())
    return archive


def arguments(root: Path, output: Path, *more: str) -> list[str]:
    return [
        *tiny.overrides(root, output),
        STAGES,
        "cues=[border,jpeg_quality,file]",
        "evidence.images_per_class=4",
        *more,
    ]


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> tuple[Path, Path]:
    """The finished audits of a folder and of the same photos in a zip."""
    home = tmp_path_factory.mktemp("archive")
    root = tiny.make_folder(home / "data")
    archive = zipped(root, home / "photos.zip")
    (home / "conf" / "dataset").mkdir(parents=True)
    (home / "conf" / "dataset" / "zipped.yaml").write_text(
        "_target_: tests.test_archive.Zipped\nroot: ???\nname: images\n"
    )
    on_disk = tiny.audit(arguments(root, home / "disk"))
    assert on_disk.returncode == 0, on_disk.stderr
    given = [
        {"dataset=imagefolder": "dataset=zipped"}.get(key, key)
        for key in arguments(root, home / "zip")
        if not key.startswith(("dataset.root=", "compute.num_workers="))
    ]
    given += [f"dataset.root={archive}", "compute.num_workers=2"]
    in_zip = tiny.audit(["--config-dir", str(home / "conf"), *given])
    assert in_zip.returncode == 0, in_zip.stderr
    return home / "disk", home / "zip"


def test_headers_and_predictions_are_those_of_the_files(both):
    disk, archive = (pd.read_parquet(out / "manifest.parquet") for out in both)
    assert archive.mtime_ns.isna().all()
    pd.testing.assert_frame_equal(
        archive.drop(columns="mtime_ns"), disk.drop(columns="mtime_ns"), check_dtype=False
    )
    disk, archive = (pd.read_parquet(out / "scores") for out in both)
    pd.testing.assert_frame_equal(archive, disk)


def test_cues_read_the_files_in_the_archive(both):
    disk, archive = (pd.read_parquet(out / "evidence.parquet") for out in both)
    assert {"border", "jpeg_quality", "file"} <= set(archive.cue)
    assert archive[archive.cue == "file"].availability.notna().all()
    pd.testing.assert_frame_equal(archive, disk)


def test_the_report_shows_the_photos(both):
    # A picture's hash holds the time of its photo's file, which a member of a zip has not.
    disk, archive = (
        {
            (p.parent.relative_to(out / "report"), p.name.rpartition("-")[0]): p
            for p in (out / "report").rglob("*.jpg")
        }
        for out in both
    )
    assert len(disk) > 6
    assert disk.keys() == archive.keys()
    for name, file in disk.items():
        assert archive[name].read_bytes() == file.read_bytes(), name
