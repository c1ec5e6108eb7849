"""Tar shards in the convention of webdataset, whose photos are read where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, cast

from xai_audit.data._classes import ordered, read_class_to_idx
from xai_audit.data._labels import classed, classes_of, read_names
from xai_audit.data._names import shown
from xai_audit.data._shard_files import split_pattern
from xai_audit.data._shards import Shards
from xai_audit.data._tar_members import check_plain
from xai_audit.data._tar_samples import TarReader
from xai_audit.errors import DatasetError
from xai_audit.run.paths import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xai_audit.data._shard_index import Row
    from xai_audit.types import Entry

_PACKED = (".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst")
_NO_FOLDER = "the sample has neither .cls nor a folder in its name"


class WebDataset:
    """The samples of tar shards; members whose names agree up to the first dot are one sample.

    The class is the part ``cls`` or, with ``label_key``, a key of the part ``json``. Where no
    sample has a ``cls`` it is the folder in which the photo lies within the tar.

    Args:
        name: names the output folder; None: the root's own name.
        root: the folder of the shards, or one tar.
        shards: which of them, with ``*``, ``**``, ``{000..012}`` or ``{a,b}``; None: all.
        image: the parts that are a photo, ``jpg`` for one; a sample's first one counts.
        label_key: of the class in the part ``json``.
        classes: file with the name of each class index, one a line or a JSON list, or None.
        class_to_idx: JSON or CSV file, class name -> model output index, or None.
    """

    def __init__(  # noqa: PLR0913 - the keys of the YAML
        self,
        *,
        name: str | None,
        root: str,
        shards: str | None,
        image: Sequence[str],
        label_key: str | None,
        classes: str | None,
        class_to_idx: str | None,
    ) -> None:
        """Read ``classes`` and ``class_to_idx``; no shard is touched yet."""
        self.root, only = split_pattern(root, "dataset.root")
        parts = tuple(str(part).lower().removeprefix(".") for part in image)
        key = "dataset.root" if shards is None else "dataset.shards"
        self._shards = Shards(self.root, shards or only, key, TarReader(parts, label_key))
        self.name: str = safe_name(name or shown(self.root.name))
        self._label_key, self._names = label_key, read_names(classes)
        self.class_to_idx: dict[str, int] | None = read_class_to_idx(class_to_idx)

    def prepare(self) -> None:
        """Index the shards that are new or have changed.

        Raises:
            DatasetError: there is no shard, one is compressed, or there is no class.
        """
        packed = [] if self._shards.pattern else self.root.rglob("*.t*")
        for shard in packed:
            if shard.name.endswith(_PACKED):
                check_plain(shard)
        for shard in map(self.root.joinpath, self._shards.files()):
            check_plain(shard)
            if shard.suffix != ".tar":
                raise DatasetError(
                    "not a tar by its name", where=shown(str(shard)), expected="*.tar",
                    remedy="rename it or correct dataset.shards",
                )  # fmt: skip
        self.class_names()

    def class_names(self) -> tuple[str, ...]:
        """Every class, in the order of the model's outputs."""
        names = self._names
        if names is None and self._labelled():
            names = classes_of(self._shards.unique("label"))
        elif names is None:
            names = tuple(sorted(self._shards.unique("folder")))
        if not names:
            raise DatasetError(
                "the shards name no class", where=shown(str(self.root)),
                expected="a part .cls a sample, dataset.label_key=KEY of a part .json, or photos "
                "in a folder of their class", remedy="add them, or set dataset.label_key",
            )  # fmt: skip
        return ordered(names, self.class_to_idx)

    def entries(self) -> Iterator[Entry]:
        """One entry a sample, and one for each fault, shard by shard in the shards' order."""
        return self._shards.entries(self._class if self._labelled() else _folder)

    def open(self, path: str) -> BinaryIO:
        """The bytes of the photo at ``root`` / shard / member."""
        return cast("BinaryIO", self._shards.open(path))

    def _labelled(self) -> bool:
        """Whether classes are stored in samples, and not the folders in which photos lie."""
        return self._label_key is not None or any(
            index.labelled for _, index in self._shards.indexes()
        )

    def _class(self, row: Row) -> tuple[str | None, str]:
        """The class of a stored label, and why it has none."""
        where = ".cls" if self._label_key is None else f".json with {self._label_key}"
        return classed(row["label"], self._names, row["error"] or f"the sample has no {where}")


def _folder(row: Row) -> tuple[str | None, str]:
    """The folder of a row's photo, its class, and why it has none."""
    return row["folder"], _NO_FOLDER
