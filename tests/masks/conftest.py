from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from xai_audit.types import ImageRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@pytest.fixture
def photo() -> Callable[..., ImageRecord]:
    """Make the record of a photo; the file itself is never read."""

    def make(
        image_id: str = "rose/a.jpg", height: int = 4, width: int = 6, mask: object = None
    ) -> ImageRecord:
        return ImageRecord(
            image_id=image_id,
            path=f"/photos/{image_id}",
            class_name=image_id.split("/", maxsplit=1)[0],
            label=0,
            height=height,
            width=width,
            mask=None if mask is None else str(mask),
        )

    return make


@pytest.fixture
def store() -> Callable[..., Path]:
    """Write an array as an image file, with a palette where asked, and return its path."""

    def write(path: Path, values: NDArray, *, palette: bool = False, **options: object) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(values)
        if palette:
            picture.putpalette([channel for i in range(256) for channel in (i, 255 - i, i // 2)])
        picture.save(path, **options)
        return path

    return write


@pytest.fixture
def shared() -> Path:
    """Return the folder of real data, beside the checkout or in $XAI_AUDIT_SHARED."""
    beside = Path(__file__).resolve().parents[3] / "shared"
    folder = Path(os.environ.get("XAI_AUDIT_SHARED") or beside)
    if not (folder / "data").is_dir():
        pytest.skip(f"no shared data at {folder}; set XAI_AUDIT_SHARED")
    return folder


@pytest.fixture
def labels() -> NDArray:
    """Return (4, 6) uint8: an object of 255 in a background of 0 with a void column of 128."""
    values = np.zeros((4, 6), dtype=np.uint8)
    values[1:3, 1:4] = 255
    values[:, 4] = 128
    return values
