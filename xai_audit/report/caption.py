"""The words under a picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

PAPER = (27, 29, 32)
INK = (236, 236, 232)
_FAINT = (172, 174, 178)
_RIGHT = (104, 211, 145)
_WRONG = (255, 138, 128)
_ELLIPSIS = "…"
_MARGIN = 8


@dataclass(frozen=True)
class Caption:
    """What is told about one picture.

    Attributes:
        class_name: its class.
        predicted: the class predicted, or None where unknown.
        confidence: of the prediction, 0..1, or None.
        right: whether the two agree, None where that is unknown.
        reasons: one line a flag, most telling first.
        masses: where the relevance lies, in one line.
    """

    class_name: str
    predicted: str | None
    confidence: float | None
    right: bool | None
    reasons: tuple[str, ...] = ()
    masses: str = ""

    @property
    def headline(self) -> str:
        """Class, arrow, prediction and confidence, as plain text."""
        if self.predicted is None:
            return self.class_name
        sure = "" if self.confidence is None else f" {self.confidence:.0%}"
        return f"{self.class_name} → {self.predicted}{sure}"

    @property
    def among_its_class(self) -> Caption:
        """The same without the class's name, for a sheet that shows one class."""
        return replace(self, class_name="")


@lru_cache(maxsize=8)
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along and which covers most scripts but CJK."""
    import matplotlib as mpl

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / name, size)


def printable(text: str) -> str:
    """``text`` on one line, what cannot be drawn replaced."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def fitted(text: str, width: float, face: ImageFont.FreeTypeFont) -> str:
    """``text``, cut with an ellipsis where it is wider than ``width`` px."""
    if face.getlength(text) <= width:
        return text
    # The longest beginning that fits; lengths grow with the text, so bisect.
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        fits = face.getlength(text[:middle].rstrip() + _ELLIPSIS) <= width
        low, high = (middle, high) if fits else (low, middle - 1)
    return text[:low].rstrip() + _ELLIPSIS


def strip(caption: Caption, width: int) -> Image.Image:
    """The caption (width px) under a single picture: verdict, reasons, masses."""
    lines = [(reason, INK) for reason in caption.reasons]
    if caption.masses:
        lines.append((caption.masses, _FAINT))
    image = Image.new("RGB", (width, 30 + 17 * len(lines) + 5), PAPER)
    draw = ImageDraw.Draw(image)
    _verdict(draw, caption, (_MARGIN, 7), size=14, max_batch=width - 2 * _MARGIN)
    for i, (line, colour) in enumerate(lines):
        text = fitted(printable(line), width - 2 * _MARGIN, font(12))
        draw.text((_MARGIN, 29 + 17 * i), text, font=font(12), fill=colour)
    return image


def label(
    draw: ImageDraw.ImageDraw, caption: Caption, measure: str, box: tuple[int, int, int]
) -> None:
    """Draw verdict and ``measure``, the words of a contact sheet, at box = (left, top, width)."""
    left, top, width = box
    verdict = caption.among_its_class if caption.right is False else caption
    _verdict(draw, verdict, (left, top), size=12, max_batch=width)
    text = fitted(printable(measure), width, font(11))
    draw.text((left, top + 16), text, font=font(11), fill=_FAINT)


def _verdict(
    draw: ImageDraw.ImageDraw, caption: Caption, at: tuple[int, int], *, size: int, max_batch: int
) -> None:
    """A tick or a cross, then class, prediction and confidence; the confidence is never cut."""
    left = float(at[0])
    if caption.right is not None:
        sign, colour = ("✓", _RIGHT) if caption.right else ("✗", _WRONG)
        draw.text((left, at[1]), sign, font=font(size, bold=True), fill=colour)
        left += size + 3
    face, room_left = font(size, bold=True), at[0] + max_batch - left
    tail = ""
    if caption.predicted is not None and caption.confidence is not None:
        tail = f" {caption.confidence:.0%}"
        room_left -= face.getlength(tail)
    names = _names(caption, room_left, face)
    draw.text((left, at[1]), printable(names) + tail, font=face, fill=INK)


def _names(caption: Caption, max_batch: float, face: ImageFont.FreeTypeFont) -> str:
    """Class and prediction within ``max_batch`` px, both cut alike; one name where they agree."""
    if caption.predicted is None or caption.right:
        return fitted(caption.class_name, max_batch, face)
    both: Sequence[str] = (caption.class_name, caption.predicted)
    arrow = " → " if caption.class_name else "→ "
    space = max_batch - face.getlength(arrow)
    if sum(face.getlength(name) for name in both) > space:
        short = min(face.getlength(name) for name in both)
        most = space - short if short < space / 2 else space / 2
        both = [fitted(name, most, face) for name in both]
    return arrow.join(both)
