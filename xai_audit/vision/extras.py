"""Formats that PIL alone does not read: what they look like, and the packages that read them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from PIL import features

from xai_audit.errors import ImageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

# The status of a photo whose format nothing that is installed reads; it counts as failed.
NO_DECODER = "no_decoder"

# The major brands of ISO base media files (ISO/IEC 23008-12) that hold photos coded in HEVC, and
# those that say nothing of the coding.
_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF = {b"avif", b"avis"}
_JXL = (b"\xff\x0a", b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a")


@dataclass(frozen=True)
class Extra:
    """A format that needs more than PIL.

    Attributes:
        name: of the format.
        suffixes: of its files.
        accepts: whether a file with these first bytes may be one.
        package: that reads it; "" where none does, PIL where a newer or fuller one does.
        reader: gives the class that does, an ImageFile of PIL's; None where PIL has it.
        remedy: what the user can do without it.
    """

    name: str
    suffixes: tuple[str, ...]
    accepts: Callable[[bytes], bool]
    package: str
    reader: Callable[[], Any] | None
    remedy: str

    @property
    def is_there(self) -> bool:
        """Whether what reads it is installed."""
        if self.package == "PIL":
            return bool(features.check(self.name.lower()))
        return bool(self.package) and find_spec(self.package) is not None

    @property
    def problem(self) -> ImageProblem:
        """The problem of its files without the package."""
        what = f"nothing that is installed reads {self.name}"
        return ImageProblem(NO_DECODER, f"{what}; remedy: {self.remedy}")


def readers(prefix: bytes, formats: Collection[str]) -> Iterator[tuple[str, Any]]:
    """Name and reader of each of ``formats`` that a file with these first bytes may be of.

    Raises:
        ImageProblem: ``no_decoder``.
    """
    for extra in EXTRAS:
        if extra.name in formats and extra.accepts(prefix):
            if not extra.is_there:
                raise extra.problem
            if extra.reader is not None:
                try:
                    yield extra.name, extra.reader()
                except ImportError as exc:
                    raise extra.problem from exc


def check_suffix(suffix: str, formats: Collection[str]) -> None:
    """Nothing; ImageProblem for that of a format which something else would have to read.

    Raises:
        ImageProblem: ``no_decoder``.
    """
    for extra in EXTRAS:
        if extra.name in formats and suffix in extra.suffixes and not extra.is_there:
            raise extra.problem


def _brand(prefix: bytes) -> bytes:
    """The major brand of an ISO base media file."""
    return prefix[8:12] if prefix[4:8] == b"ftyp" else b""


def _heif() -> Any:  # noqa: ANN401 - an optional package
    from pillow_heif import HeifImageFile

    return HeifImageFile


def _dicom() -> Any:  # noqa: ANN401 - an optional package
    from xai_audit.vision.dicom import Dicom

    return Dicom


EXTRAS = (
    Extra(
        "DICOM", (".dcm", ".dicom"), lambda prefix: prefix[128:132] == b"DICM",
        "pydicom", _dicom, 'pip install "xai-audit[dicom]"',
    ),
    Extra(
        "HEIF", (".heic", ".heif", ".hif"), lambda prefix: _brand(prefix) in _HEIF,
        "pillow_heif", _heif, 'pip install "xai-audit[heif]"',
    ),
    Extra(
        "AVIF", (".avif",), lambda prefix: _brand(prefix) in _AVIF,
        "PIL", None, 'pip install --upgrade "pillow>=11.3"',
    ),
    Extra(
        "JPEG XL", (".jxl",), lambda prefix: prefix.startswith(_JXL),
        "", None, "convert the photos to PNG or JPEG",
    ),
)  # fmt: skip
