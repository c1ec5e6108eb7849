"""An image's header read so that no file can start a program or fill the memory; PIL's adapter."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, BinaryIO

from PIL import Image

from xai_audit.errors import AuditError, ImageProblem
from xai_audit.vision.extras import EXTRAS, NO_DECODER, check_suffix, readers
from xai_audit.vision.frames import file_and_frame
from xai_audit.vision.png import Png

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from PIL.ImageFile import ImageFile

# What photos come in. PIL knows more, among it formats that start other programs (EPS) and formats
# so loosely marked that any file may pass for one (TGA). MPO comes with JPEG.
FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF", "QOI"),
    *("HEIF", "JPEG XL", "DICOM"),  # see vision.extras
)
# Their mark is two letters, with which a text may start too.
_LOOSE = {"BMP", "PPM"}
# Readers in place of PIL's.
_READERS: dict[str, Callable[[BinaryIO, str], ImageFile]] = {"PNG": Png}
_PREFIX = 132  # bytes: DICOM's mark lies behind 128 of any content
_ORIENTATION = 0x0112


def identify(
    file: BinaryIO, path: str, *, max_pixels: int, formats: Collection[str] = FORMATS
) -> ImageFile:
    """The image in ``file``, of which no more than the header has been read.

    PIL's ``Image.open`` is not used, since its limit on pixels is a global of the process that
    belongs to the user; ours is an argument. PIL is given no file name: it would open some formats
    by that name a second time.

    Args:
        file: at its start.
        path: its suffix distinguishes a broken photo from a file of another kind; may name a frame.
        max_pixels: the most that the photo may have.
        formats: those of FORMATS to accept.

    Raises:
        ImageProblem: ``empty``, ``unsupported``, ``no_decoder``, ``unreadable`` or ``too_large``.
    """
    name_of_file, frame = file_and_frame(path)
    with translated():
        prefix = file.read(_PREFIX)
    if not prefix:
        raise ImageProblem("empty", "the file has no bytes")
    broken = ""
    for name, factory in _candidates(prefix, formats):
        try:
            with translated():
                file.seek(0)
                image = factory(file, "")
                if frame is not None:
                    image.seek(frame - 1)
        except ImageProblem as problem:
            if problem.status in ("too_large", "unsupported"):
                raise
            if name not in _LOOSE:
                broken = broken or f"broken {name} header: {problem.message}"
        else:
            return _checked(image, max_pixels)
    if broken:
        raise ImageProblem("unreadable", broken)
    suffix = PurePath(name_of_file).suffix.lower()
    check_suffix(suffix, formats)
    if suffix in _suffixes():
        raise ImageProblem("unreadable", "the content is not that of an image")
    raise ImageProblem("unsupported", "not an image of a supported format")


@contextmanager
def translated() -> Iterator[None]:
    """Whatever PIL raises on a hostile file as an ImageProblem."""
    try:
        yield
    except (ImageProblem, AuditError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise ImageProblem("too_large", f"{exc}") from exc
    except Exception as exc:
        # On damaged files PIL raises nearly everything: struct.error, SyntaxError, KeyError,
        # OverflowError, MemoryError, zlib.error, RecursionError, ...
        raise ImageProblem("unreadable", str(exc) or type(exc).__name__) from exc


def orientation(image: Image.Image) -> int:
    """The EXIF orientation 1..8; 1 where there is none or where it cannot be read.

    Must be read before the pixels are loaded: a PNG may carry EXIF behind them.
    """
    try:
        if image.format == "TIFF":
            value = image.tag_v2.get(_ORIENTATION)  # type: ignore[attr-defined]
        else:
            # The base class's: PngImageFile's own decodes all pixels first.
            value = Image.Image.getexif(image).get(_ORIENTATION)
    except Exception:  # noqa: BLE001 - see translated(); such a photo can still be shown
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def size(image: Image.Image, turned: int) -> tuple[int, int]:
    """(height, width) of the photo in px after orientation ``turned``."""
    if image.format == "TIFF":
        # Versions of PIL differ in whether ``size`` is already turned.
        width, height = (int(image.tag_v2[tag]) for tag in (256, 257))  # type: ignore[attr-defined]
    else:
        width, height = image.size
    return (width, height) if turned >= 5 else (height, width)


def _candidates(
    prefix: bytes, formats: Collection[str]
) -> Iterator[tuple[str, Callable[[BinaryIO, str], ImageFile]]]:
    """Name and reader of each of ``formats`` that a file with these first bytes may be of.

    Raises:
        ImageProblem: ``no_decoder``, where this PIL was built without a format that it knows.
    """
    lacking = ""
    for name in _formats():
        factory, accept = Image.OPEN[name]
        accepted = accept(prefix[:16]) if accept and name in formats else name in formats
        if isinstance(accepted, str):
            lacking = accepted
        elif accepted:
            yield name, _READERS.get(name, factory)
            lacking = ""
    yield from readers(prefix, formats)
    if lacking:
        raise ImageProblem(NO_DECODER, lacking)


def _checked(image: ImageFile, max_pixels: int) -> ImageFile:
    """``image``, once its size is known to be one that may be decoded."""
    with translated():
        height, width = size(image, 1)
    if height < 1 or width < 1:
        raise ImageProblem("unreadable", f"{width} x {height} px")
    if height * width > max_pixels:
        raise ImageProblem("too_large", f"{width} x {height} px, max_pixels is {max_pixels}")
    if image.format == "TIFF":
        with translated():
            _check_tiff(image.tag_v2)  # type: ignore[attr-defined]
    return image


def _check_tiff(tags: Mapping[int, Any]) -> None:
    """Nothing; ImageProblem for what Pillow would show as another picture than the photo."""
    bits = tags.get(258, (1,))
    if tags.get(284) == 2 and len(bits) > 1 and max(bits) > 8:
        raise ImageProblem("unreadable", "Pillow mixes up colours of 16 bits in separate planes")
    # Marked as a reduced copy of another page, or as DNG.
    if tags.get(254, 0) & 1 or 50706 in tags:
        raise ImageProblem(
            NO_DECODER,
            "its first page is a thumbnail, as in a camera's raw file; remedy: convert the photos "
            "to TIFF or JPEG",
        )


@cache
def _formats() -> tuple[str, ...]:
    """FORMATS as far as this PIL was built with them."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@cache
def _suffixes() -> frozenset[str]:
    """The suffixes of FORMATS."""
    Image.init()
    return frozenset(
        [end for end, name in Image.EXTENSION.items() if name in {*FORMATS, "MPO"}]
        + [end for extra in EXTRAS for end in extra.suffixes]
    )
