"""Masks that a network has made in this run, read from where the mask stage keeps them."""

from __future__ import annotations

import io
from collections import OrderedDict
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeGuard

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from xai_audit.errors import MaskProblem
from xai_audit.run.paths import RunPaths
from xai_audit.schema import OK

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    from xai_audit.types import ImageRecord, MaskSource

_KEPT = 16  # parts of masks that a process holds, a few kB a photo
_FULL = 255


class MaskMaker(Protocol):
    """A mask plugin whose masks are made of the photos, once a run, by the mask stage.

    Attributes:
        by: names what makes them.
        size: px of a photo's shorter side as it wants it.
    """

    by: str
    size: int

    def prepare(self, device: str) -> None:
        """Open what makes them; AuditError where it cannot be had."""

    def make(self, photo: torch.Tensor, image: ImageRecord) -> NDArray[np.bool_]:
        """The object (height, width) of ``image``, its ``photo`` (3, h, w) uint8; or MaskProblem.

        It depends on the photo alone.
        """

    def fingerprint(self) -> str:
        """A text that changes when the masks do."""


def as_kept(source: MaskSource, folder: Path) -> MaskSource:
    """``source``, or where it makes masks of photos those that ``folder`` keeps of it."""
    return MadeMasks(folder, source) if _is_maker(source) else source


def _is_maker(source: object) -> TypeGuard[MaskMaker]:
    return hasattr(source, "make")


class MadeMasks:
    """The mask source of a run whose masks are made.

    Args:
        folder: of the part files of the mask stage.
        maker: of the masks.
    """

    def __init__(self, folder: Path, maker: MaskMaker) -> None:
        self.maker = maker
        self._folder = folder
        self._open: OrderedDict[int, pa.Table] = OrderedDict()

    def load(self, image: ImageRecord) -> NDArray[np.uint8]:
        """The photo's coverage (2, height, width) uint8; MaskProblem where none could be made."""
        if image.image_id not in self._places:
            raise MaskProblem("missing", f"no mask of {image.image_id} was made")
        part, row = self._places[image.image_id]
        if part not in self._open:
            columns = ["status", "error", "mask"]
            self._open[part] = pq.read_table(self._files[part], columns=columns)
            while len(self._open) > _KEPT:
                self._open.popitem(last=False)
        self._open.move_to_end(part)
        status, error, data = (column[row].as_py() for column in self._open[part].columns)
        if status != OK:
            raise MaskProblem(status, error)
        with Image.open(io.BytesIO(data)) as picture:
            inside = np.array(picture.convert("1"))
        return np.stack([inside, ~inside]).astype(np.uint8) * np.uint8(_FULL)

    def fingerprint(self) -> str:
        """The maker's."""
        return self.maker.fingerprint()

    @cached_property
    def _files(self) -> list[Path]:
        return RunPaths.parts(self._folder)

    @cached_property
    def _places(self) -> dict[str, tuple[int, int]]:
        """image_id -> the place of its file, and its row there."""
        ids = [pq.read_table(file, columns=["image_id"]).column(0) for file in self._files]
        return {
            image_id: (part, row)
            for part, column in enumerate(ids)
            for row, image_id in enumerate(column.to_pylist())
        }


def encoded(inside: NDArray[np.bool_]) -> bytes:
    """A mask (H, W) as the bytes of a PNG of one bit, white on the object."""
    stream = io.BytesIO()
    Image.fromarray(inside).save(stream, "PNG")
    return stream.getvalue()
