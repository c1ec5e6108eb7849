"""DICOM: a frame as a viewer shows it, by pydicom.

Stored numbers become the modality's (slope and intercept, or a table), then grey by the first
window or table of values of interest; MONOCHROME1 is turned round. Without a window black and white
are the ends of what 8 stored bits hold, or the least and the largest number of a photo of more: of
16 bits such photos use a small part.

Source: DICOM PS3.3 C.11 and PS3.4 N.2.
"""

from __future__ import annotations

import zlib
from copy import copy
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
import pydicom
from PIL import Image, ImageFile
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import DeflatedExplicitVRLittleEndian

from xai_audit.errors import ImageProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

_GREY = ("MONOCHROME1", "MONOCHROME2")
_PALETTE = "PALETTE COLOR"
# Bytes that a deflated file may grow to, in each thread: pydicom inflates it whole for its header.
_MOST_INFLATED = 256 * 2**20
_PIECE = 2**20
_FAR = 1e12  # from any window
_MOST_FRAMES = 10_000  # each is a row of the manifest, and a header may state any number
# What an enhanced object gives for all frames or for each instead of for the whole.
_OF_FRAMES = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_MACROS = ("PixelValueTransformationSequence", "FrameVOILUTSequence")


class Dicom(ImageFile.ImageFile):
    """The image of a DICOM file, as PIL's readers give theirs."""

    format = "DICOM"
    format_description = "DICOM"

    def _open(self) -> None:
        self._file = cast("BinaryIO", self.fp)
        checked = cast("BinaryIO", _Checked(self._file))
        self._tags = pydicom.dcmread(checked, stop_before_pixels=True)
        if "Rows" not in self._tags or "Columns" not in self._tags:
            raise ImageProblem("unsupported", "a DICOM object without pixels")
        self._size = (int(self._tags.Columns), int(self._tags.Rows))
        self._mode = "L" if self._tags.PhotometricInterpretation in _GREY else "RGB"
        self.n_frames, self._frame = max(1, int(self._tags.get("NumberOfFrames") or 1)), 0
        if self.n_frames > _MOST_FRAMES:
            raise ImageProblem("too_large", f"{self.n_frames} frames, more than {_MOST_FRAMES}")
        self.info["patient"] = str(self._tags.get("PatientID") or "").strip()
        self.tile = []

    def seek(self, frame: int) -> None:
        """Make ``frame``, from 0 on, the one that is loaded; EOFError where there is none."""
        if not 0 <= frame < self.n_frames:
            raise EOFError(f"no frame {frame + 1} of {self.n_frames}")
        self._frame, self._im = frame, None

    def load(self) -> Any:  # noqa: ANN401 - PIL's own
        """PIL's access to the pixels, once they are decoded."""
        if self._im is None:
            self._file.seek(0)
            # Of a deflated file pydicom finds no pixels by their place.
            deflated = self._tags.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
            whole = pydicom.dcmread(self._file) if deflated else self._file
            pixels = pixel_array(whole, index=self._frame)
            self.im = Image.fromarray(shown(pixels, _of_frame(self._tags, self._frame))).im
        return super().load()


def shown(pixels: NDArray[Any], tags: Dataset) -> NDArray[np.uint8]:
    """What is seen of a frame's ``pixels``: (H, W) grey or (H, W, 3) colour, 0..255.

    Args:
        pixels: as stored, YBR turned to RGB.
        tags: of the object, with those of the frame.
    """
    kind = tags.PhotometricInterpretation
    if kind == _PALETTE:
        return _scaled(apply_color_lut(pixels, tags)[..., :3], 0, 2 ** _entry_bits(tags) - 1)
    if kind not in _GREY:
        return _scaled(pixels, 0, 2 ** int(tags.BitsStored) - 1)
    values = np.asarray(apply_modality_lut(pixels, tags), dtype=np.float64)
    if tags.get("VOILUTSequence"):
        table = tags.VOILUTSequence[0]
        values = apply_voi_lut(values.astype(np.int64), tags, index=0)
        ends = np.array([0, 2 ** int(table.LUTDescriptor[2]) - 1])
    elif tags.get("WindowCenter") is not None and tags.get("WindowWidth") is not None:
        # Far outside of the window it gives its own black and white.
        far = np.array([-_FAR, _FAR])
        with np.errstate(over="ignore"):  # a sigmoid's exponent
            values, ends = (apply_voi_lut(some, tags, index=0) for some in (values, far))
    elif int(tags.BitsStored) <= 8:
        ends = np.sort(apply_modality_lut(np.array(_stored_range(tags)), tags))
    else:
        ends = np.array([values.min(), values.max()])
    grey = _scaled(values, float(ends[0]), float(ends[1]))
    return 255 - grey if kind == "MONOCHROME1" else grey


def _scaled(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    share = (np.asarray(values, dtype=np.float64) - low) / max(high - low, 1e-12)
    grey: NDArray[np.uint8] = np.rint(share.clip(0, 1) * 255).astype(np.uint8)
    return grey


def _stored_range(tags: Dataset) -> tuple[int, int]:
    """The least and the largest number that the stored bits hold."""
    bits = int(tags.BitsStored)
    signed = int(tags.PixelRepresentation) == 1
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def _entry_bits(tags: Dataset) -> int:
    """The bits of a colour of the palette."""
    return int(tags.RedPaletteColorLookupTableDescriptor[2])


def _of_frame(tags: Dataset, frame: int) -> Dataset:
    """``tags`` with what an enhanced object gives for all frames, and for this one."""
    found = copy(tags)
    for name in _OF_FRAMES:
        groups = tags.get(name)
        group = groups[min(frame, len(groups) - 1)] if groups else {}
        for macro in _MACROS:
            for element in group[macro][0] if macro in group else ():
                found.add(element)
    return found


class _Checked:
    """A file of which all that is left is checked before pydicom gets it to inflate.

    pydicom asks for that of a deflated file alone. Where its deflated part begins follows from the
    elements before it, and the lengths that a hostile file states of them need not be true.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """The next bytes; ImageProblem for all that are left, where they would fill the memory."""
        data = self._file.read(size)
        if size < 0:
            _check_inflated(data)
        return data


def _check_inflated(data: bytes) -> None:
    """Nothing; ImageProblem for deflated ``data`` that would fill the memory."""
    engine, total, whole = zlib.decompressobj(-zlib.MAX_WBITS), 0, memoryview(data)
    for start in range(0, len(data), _PIECE):
        piece: bytes | memoryview = whole[start : start + _PIECE]
        while piece and not engine.eof:
            total += len(engine.decompress(piece, _PIECE))
            if total > _MOST_INFLATED:
                raise ImageProblem("too_large", f"it inflates to more than {_MOST_INFLATED} bytes")
            piece = engine.unconsumed_tail
