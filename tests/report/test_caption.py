from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from xai_audit.report.caption import Caption, fitted, font, label, printable, strip


@pytest.mark.parametrize("width", [0, 5, 30, 77, 200, 1000])
def test_text_is_cut_at_the_last_letter_that_fits(width):
    text, face = "Chrysanthemum leucanthemum", font(12)
    got = fitted(text, width, face)
    if face.getlength(text) <= width:
        assert got == text
        return
    fitting = [
        text[:n].rstrip() + "…"
        for n in range(len(text))
        if face.getlength(text[:n].rstrip() + "…") <= width
    ]
    assert got == (fitting[-1] if fitting else "…")


def test_every_letter_drawn_is_printable():
    assert printable("a\nb\x00c\u202e☀é") == "a\ufffdb\ufffdc\ufffd☀é"


@pytest.mark.parametrize(
    ("right", "sign"),
    [(True, "green"), (False, "red"), (None, None)],
    ids=["tick", "cross", "none"],
)
def test_the_verdict_is_told_by_colour_and_sign(right, sign):
    pixels = np.asarray(strip(Caption("daisy", "tulip", 0.5, right), 320)).astype(int)
    red, green = pixels[..., 0] - pixels[..., 1], pixels[..., 1] - pixels[..., 0]
    assert (green.max() > 60) == (sign == "green")
    assert (red.max() > 60) == (sign == "red")
    # A tick's lowest point is left of its middle, a cross is as wide above as below.
    if sign:
        where = np.argwhere((green if sign == "green" else red) > 60)
        top = where[where[:, 0] <= where[:, 0].min() + 1][:, 1]
        assert (top.min() > where[:, 1].mean()) == (sign == "green")


def test_the_strip_grows_by_a_line_a_reason_and_keeps_its_width():
    heights = [
        strip(Caption("c", "d", 0.5, False, reasons=("border 40%",) * n, masses="m"), 320).size
        for n in range(4)
    ]
    assert {width for width, _ in heights} == {320}
    assert len({b[1] - a[1] for a, b in zip(heights, heights[1:], strict=False)}) == 1


@pytest.mark.parametrize("width", [96, 200])
def test_long_names_never_leave_their_box(width):
    caption = Caption("x" * 300, "y" * 300, 1.0, False)
    canvas = Image.new("RGB", (600, 60))
    label(ImageDraw.Draw(canvas), caption, "z" * 400, (10, 5, width))
    drawn = np.nonzero(np.asarray(canvas).any(axis=(0, 2)))[0]
    assert drawn.min() >= 10
    assert drawn.max() <= 10 + width + 1


def test_the_confidence_is_never_cut():
    drawn = np.asarray(strip(Caption("x" * 300, "y" * 300, 0.37, False), 320))
    other = np.asarray(strip(Caption("x" * 300, "y" * 300, 0.38, False), 320))
    changed = np.nonzero((drawn != other).any(axis=(0, 2)))[0]
    assert 270 < changed.min() < changed.max() < 312


def test_the_headline_in_plain_text():
    assert Caption("daisy", "tulip", 0.371, False).headline == "daisy → tulip 37%"
    assert Caption("daisy", None, None, None).headline == "daisy"
