"""A dataset in the memory of the caller's program: ``xai_audit.audit(model, dataset)``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_audit.config.held import Held
from xai_audit.data._samples import samples_of
from xai_audit.errors import DatasetError
from xai_audit.run.paths import safe_name
from xai_audit.types import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xai_audit.data._samples import Samples

_HELD: Held[Samples] = Held()


def hold(dataset: object) -> tuple[str, Samples]:
    """A key by which :class:`Memory` finds ``dataset`` while the samples returned are alive.

    The same ids and labels have the same key, so that the same audit again resumes.

    Raises:
        DatasetError: it is no dataset of images and labels.
    """
    samples = samples_of(dataset)
    digest = hashlib.sha256(repr((samples.classes, samples.labels)).encode())
    digest.update("\n".join(samples.ids).encode("utf-8", "surrogateescape"))
    key = f"{safe_name(samples.name)}-{digest.hexdigest()[:8]}"
    _HELD.put(key, samples)
    return key, samples


class Memory:
    """The photos of a dataset that :func:`hold` was given.

    Args:
        name: names the output folder; None: the key.
        key: of :func:`hold`.

    Raises:
        DatasetError: this process holds no such dataset, or no longer.
    """

    def __init__(self, *, name: str | None, key: str) -> None:
        samples = _HELD.get(key)
        if samples is None:
            raise DatasetError(
                "the dataset lies in the memory of another process, or is there no longer",
                where=f"dataset.key={key}",
                remedy="xai_audit.audit(model, dataset) again; for several processes: a folder or a"
                " table of photos",
            )
        self._samples = samples
        self.name: str = safe_name(name or key)
        # No folder: what has to be a path, so that ids can be told from it.
        self.root: Path = Path("/", key)
        self.class_to_idx: dict[str, int] | None = samples.classes if samples.is_mapped else None

    def prepare(self) -> None:
        """Nothing: it is there."""

    def class_names(self) -> tuple[str, ...]:
        """Every class in the order of the model's outputs."""
        return tuple(self._samples.classes)

    def entries(self) -> Iterator[Entry]:
        """One entry a photo, in the dataset's order."""
        for image_id, class_name in zip(self._samples.ids, self._samples.labels, strict=True):
            yield Entry(image_id, class_name)

    def open(self, path: str) -> Any:  # noqa: ANN401 - a stream or a picture
        """The photo whose id is ``path`` relative to the root."""
        return self._samples.open(str(Path(path).relative_to(self.root)))
