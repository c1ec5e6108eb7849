"""A folder of class folders, ``root/<class>/**/<file>``, as torchvision's ImageFolder reads it.

But for hidden folders, which torchvision takes for classes: of a model with an output for one, the
others' outputs are told by ``class_to_idx``.

It lies in the file system, or in an object store, where the same tree gives the same entries.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from xai_audit.data._classes import ordered, read_class_to_idx
from xai_audit.data._clutter import Clutter, is_clutter
from xai_audit.data._local_folder import is_folder, listing, local_files
from xai_audit.data._names import absolute, shown
from xai_audit.data._stored_folder import folders, walk
from xai_audit.errors import DatasetError
from xai_audit.run.paths import safe_name
from xai_audit.store.address import is_remote, spelled
from xai_audit.types import Entry
from xai_audit.vision.opening import anywhere, local

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xai_audit.vision.opening import Opener

_LAYOUT = "DIR/<class>/<file>"
# What folders of a split are called; a class may be, too.
_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing", "dev", "eval"}
_NO_CLASS = ("no_class", "the file lies in the root itself, not in a class folder")


class ImageFolder:
    """Every file below a folder; the classes are its sorted sub-folders, empty ones included.

    Hidden files and folders, and what systems put beside photos, are neither.

    Args:
        name: names the output folder; None: the folder's own name, of a split PARENT-SPLIT.
        root: the folder, or its address in a store.
        class_to_idx: JSON or CSV file, class name -> model output index, or None.
        split: the folder in ``root`` that has the classes, or None: ``root`` itself.
        links_outside: whether what links lead to outside of ``root`` is read, too.
    """

    def __init__(
        self,
        *,
        name: str | None,
        root: str,
        class_to_idx: str | None,
        split: str | None,
        links_outside: bool,
    ) -> None:
        """Read ``class_to_idx``; the folder itself is not touched yet."""
        self._bounds = None if links_outside else absolute(root)
        self.root: Path = absolute(root) if split is None else absolute(root) / split
        self._split = split
        self._is_remote, self._where = is_remote(self.root), shown(spelled(self.root))
        # Of every data set there is a folder val: the name says of which it is.
        is_split = split is not None or self.root.name.lower() in _SPLITS
        parts = [self.root.parent.name, self.root.name] if is_split else [self.root.name]
        self.name: str = safe_name(name or shown("-".join(filter(None, parts))))
        self.class_to_idx: dict[str, int] | None = read_class_to_idx(class_to_idx)

    def prepare(self) -> None:
        """Check that there are classes and at least one file.

        Raises:
            DatasetError: if not.
        """
        self._refuse_splits(self._folders())
        self._refuse_outside()
        self.class_names()
        if not self._is_remote:  # where that would list a whole class, and the index does so anyway
            next(self.entries())

    def class_names(self) -> tuple[str, ...]:
        """Every sub-folder's name, in the order of the model's outputs."""
        names = [shown(name) for name in self._folders()]
        if not names:
            raise DatasetError(
                "dataset.root has no class folders", where=self._where, expected=_LAYOUT,
                remedy="put the photos of each class in a folder of their own, or use dataset=csv",
            )  # fmt: skip
        return ordered(names, self.class_to_idx)

    def entries(self) -> Iterator[Entry]:
        """Every file below the root, each once, folders depth first, names sorted.

        Links are followed unless they lead out of the root, or back to a folder that they lie in.
        Memory is that of the listings from the root down to one folder.
        """
        found, clutter = False, Clutter()
        for entry in self._stored(clutter) if self._is_remote else self._files(clutter):
            found = True
            yield entry if self._split is None else replace(entry, split=self._split)
        clutter.log(self._where)
        if not found:
            raise DatasetError(
                "dataset.root holds no file", where=self._where, expected=_LAYOUT,
                remedy="correct dataset.root",
            )  # fmt: skip

    @property
    def open(self) -> Opener:
        """What gives the bytes of a photo."""
        return anywhere if self._is_remote else local

    def _refuse_outside(self) -> None:
        """Raise DatasetError where the split is a link that leads out of the root."""
        if self._bounds is None or self._is_remote:
            return
        if not Path(os.path.realpath(self.root)).is_relative_to(os.path.realpath(self._bounds)):
            raise DatasetError(
                "the split leads out of dataset.root", where=self._where,
                got=f"a link to {shown(os.path.realpath(self.root))}",
                remedy="dataset.links_outside=true, or that folder as dataset.root",
            )  # fmt: skip

    def _refuse_splits(self, names: Sequence[str]) -> None:
        """Raise DatasetError where the folders in the root are splits, each with the classes."""
        if not names or not all(name.lower() in _SPLITS for name in names):
            return
        below = [
            ImageFolder(
                name=None,
                root=spelled(self.root),
                class_to_idx=None,
                split=name,
                links_outside=True,
            )  # fmt: skip
            for name in names
        ]
        if all(split._folders() for split in below):
            best = next((name for name in names if name.lower().startswith("val")), names[-1])
            raise DatasetError(
                "dataset.root holds splits, not classes", where=self._where, expected=_LAYOUT,
                got=", ".join(names), remedy=f"dataset.root={self._where}/{best}, or "
                f"dataset.split={best}",
            )  # fmt: skip

    def _files(self, clutter: Clutter) -> Iterator[Entry]:
        """The entries of a folder of the file system."""
        bounds = None if self._bounds is None else Path(os.path.realpath(self._bounds))
        for path, unentered, problem in local_files(self.root, self._top(), clutter, bounds):
            top, nested, _ = path.partition(os.sep)
            if nested or unentered:
                yield Entry(path, shown(top), problem=problem)
            else:
                yield Entry(path, None, problem=problem or _NO_CLASS)

    def _stored(self, clutter: Clutter) -> Iterator[Entry]:
        """The entries of a folder of a store."""
        for top, entry in walk(self.root, clutter):
            if "/" in entry.path:
                yield replace(entry, class_name=top)
            else:
                yield replace(entry, problem=entry.problem or _NO_CLASS)

    def _folders(self) -> list[str]:
        """The names of the root's sub-folders, sorted."""
        top = () if self._is_remote else self._top()
        found = folders(self.root) if self._is_remote else [e.name for e in top if is_folder(e)]
        return [name for name in found if not is_clutter(name)]

    def _top(self) -> list[os.DirEntry[str]]:
        """The root's own listing."""
        try:
            return listing(self.root)
        except OSError as exc:
            raise DatasetError(
                "dataset.root cannot be listed", where=self._where,
                expected=f"a folder, {_LAYOUT}", got=exc.strerror, remedy="correct dataset.root",
            ) from exc  # fmt: skip
