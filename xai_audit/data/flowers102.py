"""Oxford Flowers-102 with its segmentations (Nilsback and Zisserman, ICVGIP 2008)."""

from __future__ import annotations

import os
import tarfile
import tempfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scipy.io import loadmat
from torchvision.datasets import Flowers102 as Torchvision
from torchvision.datasets.utils import download_url, extract_archive

from xai_audit.data._classes import ordered, read_class_to_idx
from xai_audit.data._names import absolute
from xai_audit.errors import DatasetError
from xai_audit.run.paths import safe_name
from xai_audit.run.user_cache import user_cache
from xai_audit.types import Entry
from xai_audit.vision.opening import local

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILES = ("102flowers.tgz", "imagelabels.mat", "setid.mat", "102segmentations.tgz")
_URL = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
_SPLITS = {"train": "trnid", "val": "valid", "test": "tstid"}
_DAMAGED = (tarfile.TarError, zlib.error)


class Flowers102:
    """The photos of one split or of all, each with the path of its segmentation.

    A segmentation is a JPEG with a blue background, (0, 0, 254); what is not blue is flower.

    Args:
        name: names the output folder.
        root: where the archives are or will be downloaded to, in ``flowers-102``; None: the
            user's cache folder.
        split: ``train``, ``val``, ``test`` or ``all``.
        class_to_idx: JSON or CSV file, class name -> model output index, or None.
    """

    def __init__(
        self, *, name: str, root: str | None, split: str, class_to_idx: str | None
    ) -> None:
        """Check the arguments; nothing is downloaded yet."""
        if split not in {*_SPLITS, "all"}:
            raise DatasetError(
                "unknown dataset.split", expected="train, val, test or all", got=split,
                remedy="correct dataset.split",
            )  # fmt: skip
        self.name: str = safe_name(name)
        self._parent = absolute(root) if root is not None else _cache()
        self._base = self._parent / "flowers-102"
        self.root: Path = self._base / "jpg"
        self._splits = tuple(_SPLITS) if split == "all" else (split,)
        self.class_to_idx: dict[str, int] | None = read_class_to_idx(class_to_idx)

    def prepare(self) -> None:
        """Download and unpack what is missing.

        Raises:
            DatasetError: if that fails; names the files and the folder to put them in.
        """
        with self._explained():
            Torchvision(self._parent, split="test", download=True)
            self._finish_photos()
            if not (self._base / "segmim").is_dir():
                self._fetch_segmentations()

    def class_names(self) -> tuple[str, ...]:
        """The 102 classes in the order of the model's outputs."""
        return ordered(_names(), self.class_to_idx)

    def entries(self) -> Iterator[Entry]:
        """Every photo of the split, in the dataset's own order."""
        names = _names()
        with self._explained():
            labels = loadmat(self._base / "imagelabels.mat")["labels"].ravel()
            numbers = loadmat(self._base / "setid.mat")
        for split in self._splits:
            for number in numbers[_SPLITS[split]].ravel().tolist():
                yield Entry(
                    path=f"image_{number:05d}.jpg",
                    class_name=names[int(labels[number - 1]) - 1],
                    mask=os.fspath(self._base / "segmim" / f"segmim_{number:05d}.jpg"),
                    split=split,
                )

    open = staticmethod(local)

    def _finish_photos(self) -> None:
        """Unpack the photos again where that was interrupted: torchvision looks at the folder."""
        archive = self._base / "102flowers.tgz"
        labels = loadmat(self._base / "imagelabels.mat")["labels"]
        if archive.exists() and sum(1 for _ in self.root.glob("*.jpg")) < labels.size:
            extract_archive(archive, self._base)

    def _fetch_segmentations(self) -> None:
        """Download and unpack the segmentations; the folder appears when it is complete."""
        archive = self._base / "102segmentations.tgz"
        if not archive.exists():
            # No checksum is published: a download that is cut short must not look finished.
            part = archive.with_suffix(".part")
            part.unlink(missing_ok=True)
            download_url(_URL + archive.name, self._base, part.name)
            part.replace(archive)
        with tempfile.TemporaryDirectory(dir=self._base) as folder:
            extract_archive(archive, folder)
            Path(folder, "segmim").replace(self._base / "segmim")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """A block in which errors of torchvision, tarfile and scipy become a DatasetError."""
        try:
            yield
        except (OSError, RuntimeError, ValueError, KeyError, EOFError, *_DAMAGED) as exc:
            missing = [file for file in _FILES if not (self._base / file).exists()]
            raise DatasetError(
                "Flowers-102 is incomplete and could not be downloaded", where=self._base,
                expected=f"the files {', '.join(_FILES)} in this folder",
                got=f"{', '.join(missing) or 'none'} missing; {exc}",
                remedy=f"put them there from {_URL} and run the same command again",
            ) from exc  # fmt: skip


def _names() -> list[str]:
    """The 102 classes as safe file names, in the order of the dataset's own labels."""
    # Before torchvision 0.22 the dataset had no names.
    numbered = [f"class_{number:03d}" for number in range(1, 103)]
    return [safe_name(name) for name in getattr(Torchvision, "classes", numbered)]


def _cache() -> Path:
    """The user's cache folder for this dataset."""
    return user_cache() / "flowers102"
