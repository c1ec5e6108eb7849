"""The facts of a photo's header, without decoding a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_audit.vision.header import identify, orientation, size, translated
from xai_audit.vision.opening import opened

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

    from xai_audit.vision.opening import Opener

# Counting the frames of a GIF or TIFF reads the whole file; a hostile one would take minutes.
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
        mtime_ns: time of its last change, None where its dataset does not know.
    """

    format: str
    mode: str
    width: int
    height: int
    orientation: int
    frames: int | None
    file_bytes: int
    mtime_ns: int | None


def probe(path: str, *, max_pixels: int, opener: Opener | None = None) -> Probed:
    """The header of the photo at ``path``, read by its dataset's ``opener`` (None: a local file).

    Raises:
        ImageProblem: ``empty`` (no bytes), ``unsupported`` (no image by content or suffix, or no
            regular file), ``unreadable`` (an image by content or suffix that is broken, or a file
            that cannot be opened), ``too_large`` (more than ``max_pixels``).
    """
    with opened(path, opener) as file:
        image = identify(file.stream, path, max_pixels=max_pixels)
        turned = orientation(image)
        with translated():
            height, width = size(image, turned)
            file_bytes = file.size
        return Probed(
            format=image.format or "",
            mode=image.mode,
            width=width,
            height=height,
            orientation=turned,
            frames=_frames(image) if file_bytes <= _COUNT_FRAMES_UP_TO else None,
            file_bytes=file_bytes,
            mtime_ns=file.mtime_ns,
        )


def _frames(image: ImageFile) -> int | None:
    """The number of frames; None where a later one is broken: only the first is used."""
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # noqa: BLE001 - see header.translated
        return None
