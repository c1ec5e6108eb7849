"""What a photo's header says, without decoding a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_audit.vision.opening import identify, open_regular, orientation, size, translated

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# Counting the frames of a GIF or TIFF walks the whole file; a hostile one would take minutes.
_COUNT_FRAMES_UP_TO = 32 * 2**20  # bytes


@dataclass(frozen=True)
class Probed:
    """A photo's header.

    Attributes:
        format: as PIL names it, by content: ``JPEG``, ``PNG``, ...
        mode: as PIL names it: ``RGB``, ``CMYK``, ``I;16``, ...
        width: in px, after EXIF orientation.
        height: in px, after EXIF orientation.
        orientation: EXIF's, 1 to 8; 1 where there is none.
        frames: of an animation or a multi-page file; None where they were not counted.
        file_bytes: size of the file.
        mtime_ns: time of its last change.
    """

    format: str
    mode: str
    width: int
    height: int
    orientation: int
    frames: int | None
    file_bytes: int
    mtime_ns: int


def probe(path: str, *, max_pixels: int) -> Probed:
    """The header of the photo at ``path``.

    Raises:
        ImageProblem: ``empty`` (no bytes), ``unsupported`` (no image by content or suffix, or no
            regular file), ``unreadable`` (an image by content or suffix that is broken, or a file
            that cannot be opened), ``too_large`` (more than ``max_pixels``).
    """
    with open_regular(path) as (file, found):
        image = identify(file, path, max_pixels=max_pixels)
        turned = orientation(image)
        with translated():
            height, width = size(image, turned)
        return Probed(
            format=image.format or "",
            mode=image.mode,
            width=width,
            height=height,
            orientation=turned,
            frames=_frames(image) if found.st_size <= _COUNT_FRAMES_UP_TO else None,
            file_bytes=found.st_size,
            mtime_ns=found.st_mtime_ns,
        )


def _frames(image: ImageFile) -> int | None:
    """How many frames the file has; None where a later one is broken: only the first is used."""
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # noqa: BLE001 - see opening.translated
        return None
