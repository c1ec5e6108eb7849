"""Masks as people store them, read without a key; what is unclear names what was found."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from PIL import Image

from xai_audit.errors import MaskProblem
from xai_audit.masks import _meaning
from xai_audit.masks._coverage import ValueRule
from xai_audit.masks.folder import FolderMasks

INSIDE = np.zeros((4, 6), dtype=bool)
INSIDE[1:3, 2:5] = True
OBVIOUS = ValueRule(None, (0,))


@pytest.fixture(autouse=True)
def unsaid(monkeypatch):
    monkeypatch.setattr(_meaning, "_logged", set())


def painted(object, background, mode):  # noqa: A002
    picture = Image.new(mode, (6, 4))
    for y, x in np.ndindex(4, 6):
        picture.putpixel((x, y), object if INSIDE[y, x] else background)
    return picture


def palette(object, background, colours):  # noqa: A002
    picture = painted(object, background, "P")
    picture.putpalette([channel for colour in colours for channel in colour])
    return picture


def transparent(colour, hidden):
    return painted((*colour, 255), (*hidden, 0), "RGBA")


RED, BLACK, WHITE = (255, 0, 0), (0, 0, 0), (255, 255, 255)
PLAIN = {
    "grey 255": painted(255, 0, "L"),
    "1-bit": painted(1, 0, "1"),
    "grey rgb": painted(WHITE, BLACK, "RGB"),
    "white by palette": palette(1, 0, [BLACK, WHITE]),
}
READ = {
    "0 and 1": (painted(1, 0, "L"), "1 is object, 0 background"),
    "0 and 1 of 16 bits": (painted(1, 0, "I;16"), "1 is object, 0 background"),
    "16 bits": (painted(65535, 0, "I;16"), "65535 is object, 0 background"),
    "rgb of 0 and 1": (painted((1, 1, 1), BLACK, "RGB"), "1 is object, 0 background"),
    "red on black": (painted(RED, BLACK, "RGB"), "the colour on black is object"),
    "dark blue on black": (painted((0, 0, 1), BLACK, "RGB"), "the colour on black is object"),
    "opaque red on black": (
        painted((*RED, 255), (*BLACK, 255), "RGBA"), "the colour on black is object",
    ),
    "red by palette": (palette(1, 0, [BLACK, RED]), "the colour on black is object"),
    "black is not the first": (palette(0, 1, [RED, BLACK]), "the colour on black is object"),
    "palette of one colour": (palette(1, 0, [RED, RED]), "1 is object, 0 background"),
    "palette without black": (palette(1, 0, [RED, WHITE]), "1 is object, 0 background"),
    "white with alpha": (transparent(WHITE, WHITE), "alpha is the object"),
    "black with alpha": (transparent(BLACK, BLACK), "alpha is the object"),
    "red, nothing behind": (transparent(RED, BLACK), "alpha is the object"),
    "grey with alpha": (painted((9, 255), (9, 0), "LA"), "alpha is the object"),
}  # fmt: skip


@pytest.mark.parametrize("picture", PLAIN.values(), ids=PLAIN)
def test_usual_masks_are_read_without_a_word(tmp_path, photo, picture, caplog):
    picture.save(tmp_path / "a.png")
    with caplog.at_level(logging.INFO):
        covered = _meaning.coverage_of(tmp_path / "a.png", photo(), OBVIOUS)
    np.testing.assert_array_equal(covered[0], np.where(INSIDE, 255, 0))
    np.testing.assert_array_equal(covered[1], np.where(INSIDE, 0, 255))
    assert not caplog.records


@pytest.mark.parametrize(("picture", "reading"), READ.values(), ids=READ)
def test_the_obvious_reading_is_taken_and_logged_once(tmp_path, photo, picture, reading, caplog):
    picture.save(tmp_path / "a.png")
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            covered = _meaning.coverage_of(tmp_path / "a.png", photo(), OBVIOUS)
    np.testing.assert_array_equal(covered[0], np.where(INSIDE, 255, 0))
    np.testing.assert_array_equal(covered[1], np.where(INSIDE, 0, 255))
    (message,) = (record.getMessage() for record in caplog.records)
    assert f"a.png and its like {reading}; masks.object=[...] says otherwise" in message


def test_a_void_outline_stays_void(tmp_path, photo):
    picture = painted(255, 0, "L")
    picture.putpixel((0, 0), 128)
    picture.save(tmp_path / "a.png")
    covered = _meaning.coverage_of(tmp_path / "a.png", photo(), OBVIOUS)
    assert covered[:, 0, 0].tolist() == [0, 0]
    soft_edge = transparent(RED, BLACK)
    soft_edge.putpixel((0, 0), (*RED, 99))
    soft_edge.save(tmp_path / "a.png")
    assert _meaning.coverage_of(tmp_path / "a.png", photo(), OBVIOUS)[:, 0, 0].tolist() == [0, 0]


def spotted(picture, colour, place=(0, 0)):
    picture.putpixel(place, colour)
    return picture


UNCLEAR = {
    "three colours": (
        spotted(painted(RED, BLACK, "RGB"), (0, 255, 0)),
        "corrupt", "expected one colour on black, found #000000, #00ff00, #ff0000",
    ),
    "no black": (painted(RED, WHITE, "RGB"), "corrupt", "found #ff0000, #ffffff"),
    "labels": (
        spotted(painted(3, 0, "L"), 2),
        "empty", "no pixel has an object value [255]; values found: 0, 2, 3; masks.object=[...]",
    ),
    "labels by palette": (
        spotted(palette(1, 0, [BLACK, RED, (0, 255, 0)]), 2),
        "ambiguous", "several colours; values found: 0, 1, 2; masks.object=[...] says which are",
    ),
    "an object of 1 with a border of 255": (
        spotted(painted(1, 0, "L"), 255),
        "ambiguous", "values found: 0, 1, 255; masks.object=[...] says which are object, masks=voc",
    ),
    "objects of 3 and 15 with a border of 255": (
        spotted(spotted(painted(15, 0, "L"), 255), 3, (1, 0)),
        "ambiguous", "labels beside 255, which is object or border; values found: 0, 3, 15, 255",
    ),
    "a palette that is VOC's": (
        spotted(palette(1, 0, [BLACK, RED, *[WHITE] * 253, (224, 224, 192)]), 255),
        "ambiguous", "values found: 0, 1, 255; masks.object=[...] says which are object, masks=voc",
    ),
    "a grey palette with labels": (
        spotted(palette(1, 0, [BLACK, (1, 1, 1), WHITE]), 2),
        "ambiguous", "has labels beside 255, which is object or border; values found: 0, 1, 2",
    ),
    "three indices, 255 among them": (
        spotted(palette(255, 0, [BLACK, *[RED] * 199, WHITE, *[BLACK] * 54, RED]), 200),
        "ambiguous", "several colours; values found: 0, 200, 255",
    ),
    "grey by palette": (
        palette(1, 0, [BLACK, (128, 128, 128)]), "empty", "values found: 0, 1; masks.object=[...]",
    ),
    "nothing": (painted(0, 0, "L"), "empty", "values found: 0"),
    "picture with alpha": (
        spotted(transparent(RED, BLACK), (0, 255, 0, 255)),
        "corrupt", "has colours and transparency",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("picture", "status", "says"), UNCLEAR.values(), ids=UNCLEAR)
def test_what_is_unclear_names_what_was_found(tmp_path, photo, picture, status, says, caplog):
    picture.save(tmp_path / "a.png")
    with (
        caplog.at_level(logging.INFO),
        pytest.raises(MaskProblem) as caught,
    ):
        _meaning.coverage_of(tmp_path / "a.png", photo(), OBVIOUS)
    assert caught.value.status == status
    assert says in caught.value.message
    assert not caplog.records


def test_values_that_the_user_gave_rule(tmp_path, photo):
    (tmp_path / "rose").mkdir()
    painted(1, 0, "L").save(tmp_path / "rose" / "a.png")
    keys = {"root": str(tmp_path), "background": [0], "soft": False}
    assert FolderMasks(object=None, **keys).load(photo())[0].any()
    assert FolderMasks(object=[1], **keys).load(photo())[0].any()
    with pytest.raises(MaskProblem, match=r"no pixel has an object value \[255\]; values"):
        FolderMasks(object=[255], **keys).load(photo())
    inverse = FolderMasks(object=[0], root=str(tmp_path), background=None, soft=False)
    np.testing.assert_array_equal(inverse.load(photo())[0], np.where(INSIDE, 0, 255))


def test_the_values_that_a_problem_names_are_those_of_the_key(tmp_path, photo):
    palette(1, 0, [BLACK, (128, 128, 128)]).save(tmp_path / "a.png")
    with pytest.raises(MaskProblem, match="values found: 0, 1; masks"):
        _meaning.coverage_of(tmp_path / "a.png", photo(), OBVIOUS)
    covered = _meaning.coverage_of(tmp_path / "a.png", photo(), ValueRule((1,), (0,)))
    np.testing.assert_array_equal(covered[0], np.where(INSIDE, 255, 0))


def test_an_edge_between_255_and_0_has_no_labels(tmp_path, photo):
    for value in (34, 64, 128, 254):
        spotted(spotted(painted(255, 0, "L"), value), 3, (1, 0)).save(tmp_path / "a.png")
        covered = _meaning.coverage_of(tmp_path / "a.png", photo(), OBVIOUS)
        np.testing.assert_array_equal(covered[0], np.where(INSIDE, 255, 0))
