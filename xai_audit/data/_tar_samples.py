"""The samples of a tar in the convention of webdataset: members that share a key."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from xai_audit.data._labels import as_label
from xai_audit.data._names import shown
from xai_audit.data._tar_members import Member, check_plain, members
from xai_audit.data._window import stored
from xai_audit.vision.opening import local

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xai_audit.data._shard_index import Row
    from xai_audit.data._window import Window

Sample = dict[str, Member]
# No label needs more; the file may be anything.
_LONGEST = {"cls": 4096, "json": 2**24}


@dataclass(frozen=True)
class TarReader:
    """Reads tars of samples.

    Attributes:
        photos: the parts of a sample that are its photo, the first one that it has.
        label_key: of the class in the part ``json``; None: the class is in the part ``cls``.
    """

    photos: tuple[str, ...]
    label_key: str | None
    suffixes: tuple[str, ...] = (".tar",)

    def rows(self, shard: Path) -> Iterator[Row]:
        """A row for each sample, for each member that is part of none, and for damage."""
        check_plain(shard)
        with local(os.fspath(shard)) as file:
            for found in _samples(file):
                if isinstance(found, tuple):
                    yield {"name": b"", "status": found[0], "error": found[1]}
                else:
                    yield self._row(found, file)

    def stream(self, shard: str, row: Row, mtime_ns: int) -> Window:
        """The bytes of one photo, from its place in the tar."""
        return stored(shard, row["offset"], row["size"], mtime_ns)

    def _row(self, sample: Sample, file: BinaryIO) -> Row:
        photo = next((sample[part] for part in self.photos if part in sample), None)
        shown_by = photo or next(iter(sample.values()))
        row: Row = {
            "name": os.fsencode(shown_by.name),
            "offset": shown_by.offset,
            "size": shown_by.size,
        }
        if shown_by.problem is not None:
            row["status"], row["error"] = shown_by.problem
        elif photo is None:
            row["status"], row["error"] = self._without_photo(sample)
        else:
            try:
                row["label"] = self._label(sample, file)
            except ValueError as exc:
                row["error"] = str(exc)
        if row.get("status") != "unsupported":
            row["folder"] = shown(PurePosixPath(shown_by.name).parent.name) or None
        return row

    def _without_photo(self, sample: Sample) -> tuple[str, str]:
        """The status of a sample without a photo: a loss where it has a label, else some file."""
        parts = ", ".join(f".{shown(part)}" for part in sample if part) or "a name without suffix"
        lost = {"cls", "json"} & {*sample}
        return (
            "unreadable" if lost else "unsupported",
            f"no photo in the sample, which has {parts}; dataset.image is {list(self.photos)}",
        )

    def _label(self, sample: Sample, file: BinaryIO) -> str | None:
        """The sample's label as it is stored, None where it has none.

        Raises:
            ValueError: it is there and cannot be read; says why.
        """
        part = "cls" if self.label_key is None else "json"
        member = sample.get(part)
        if member is None:
            return None
        if member.problem is not None or member.size > _LONGEST[part]:
            reason = member.problem[1] if member.problem else f"{member.size} bytes"
            raise ValueError(f".{part} cannot be read: {reason}")
        file.seek(member.offset)
        text = file.read(member.size)
        if self.label_key is None:
            return as_label(text.strip())
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as exc:
            raise ValueError(f".json cannot be read: {exc}") from exc
        return as_label(content.get(self.label_key) if isinstance(content, dict) else None)


def _samples(file: BinaryIO) -> Iterator[Sample | tuple[str, str]]:
    """Consecutive members of one key by their parts; a part that comes again begins another."""
    sample: Sample = {}
    key = None
    for member in members(file):
        if isinstance(member, Member) and member.key == key and member.part not in sample:
            sample[member.part] = member
            continue
        if sample:
            yield sample
        sample, key = {}, None
        if isinstance(member, Member):
            sample, key = {member.part: member}, member.key
        else:
            yield member
    if sample:
        yield sample
