"""Pascal VOC: palette PNGs and XML boxes written by the test."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from xai_audit.errors import ConfigError, MaskProblem
from xai_audit.masks.voc import CLASSES, VocMasks

BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"


def annotation(*objects, width=6, height=4):
    """A VOC annotation with objects (name, xmin, ymin, xmax, ymax)."""
    # A part's box (a head, a hand) is not the object's.
    part = f"<part>{BOX.format(1, 1, 6, 4)}</part>"
    parts = "".join(
        f"<object><name>{name}</name>{part}{BOX.format(*box)}</object>" for name, *box in objects
    )
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation>{size}{parts}</annotation>"


@pytest.fixture
def xml(tmp_path):
    """Write an annotation for the photo rose/a.jpg."""

    def write(text, encoding="utf-8"):
        (tmp_path / "a.xml").write_bytes(text.encode(encoding))
        return VocMasks(root=str(tmp_path), object=None)

    return write


def problem(source, image):
    with pytest.raises(MaskProblem) as caught:
        source.load(image)
    return caught.value.status, caught.value.message


@pytest.fixture
def indices():
    """(4, 6) uint8: background, classes 1, 15 and 20, one value of no class, and void."""
    values = np.zeros((4, 6), dtype=np.uint8)
    values[0, :3] = (1, 15, 20)
    values[1, :2] = (21, 254)
    values[3] = 255
    return values


def test_classes_are_the_20_in_order():
    assert len(set(CLASSES)) == 20
    assert (CLASSES[0], CLASSES[14], CLASSES[19]) == ("aeroplane", "person", "tvmonitor")


@pytest.mark.parametrize("place", ["a.png", "rose/a.png", "rose/x/a.png"])
def test_palette_png(tmp_path, store, photo, indices, place):
    store(tmp_path / place, indices, palette=True)
    covered = VocMasks(root=str(tmp_path), object=None).load(photo("rose/x/a.jpg"))
    np.testing.assert_array_equal(covered[0], np.where(np.isin(indices, (1, 15, 20)), 255, 0))
    np.testing.assert_array_equal(covered[1], np.where(indices == 0, 255, 0))


@pytest.mark.parametrize("choice", [[15], ["person"], ("person", 15)])
def test_chosen_classes_leave_the_others_background(tmp_path, store, photo, indices, choice):
    store(tmp_path / "a.png", indices, palette=True)
    covered = VocMasks(root=str(tmp_path), object=choice).load(photo())
    np.testing.assert_array_equal(covered[0], np.where(indices == 15, 255, 0))
    np.testing.assert_array_equal(covered[1], np.where(np.isin(indices, (15, 255)), 0, 255))


@pytest.mark.parametrize("choice", [[], [0], [255], "person", [True], [1.5], 15])
def test_object_must_be_classes(tmp_path, choice):
    with pytest.raises(ConfigError, match=r"masks\.object.*\[15\] or \[person\]"):
        VocMasks(root=str(tmp_path), object=choice)


def test_missing_root_and_missing_annotation(tmp_path, photo):
    with pytest.raises(ConfigError, match="no such mask folder"):
        VocMasks(root=str(tmp_path / "none"), object=None)
    found, message = problem(VocMasks(root=str(tmp_path), object=None), photo())
    assert found == "missing"
    assert message.endswith("there is no rose/a.png or a.png or rose/a.xml or a.xml")


def test_xml_boxes_count_from_one_and_include_the_last_pixel(xml, photo):
    source = xml(annotation(("dog", 2, 1, 3, 2), ("cat", 6, 4, 6, 4)))
    expected = np.zeros((4, 6), dtype=np.uint8)
    expected[0:2, 1:3] = 255
    expected[3, 5] = 255
    np.testing.assert_array_equal(source.load(photo()), [expected, 255 - expected])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(source)).load(photo())[0], expected)


def test_xml_boxes_of_the_chosen_classes(tmp_path, xml, photo):
    xml(annotation(("dog", 1, 1, 1, 1), ("tulip", 2, 1, 2, 1), ("cat", 3, 1, 3, 1)))

    def columns(choice):
        covered = VocMasks(root=str(tmp_path), object=choice).load(photo())
        return np.flatnonzero(covered[0, 0]).tolist()

    assert columns(["dog"]) == [0]
    assert columns([12]) == [0]
    assert columns(["tulip", 8]) == [1, 2]
    found, message = problem(VocMasks(root=str(tmp_path), object=["cow"]), photo())
    assert found == "empty"
    assert message.endswith("a.xml has no object of cow")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entity_bomb_is_refused_in_every_encoding(xml, photo, encoding):
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    bomb = f'<!DOCTYPE annotation [<!ENTITY e0 "ha">{entities}]><annotation>&e11;</annotation>'
    found, message = problem(xml(bomb, encoding), photo())
    assert found == "corrupt"
    assert "a DOCTYPE is not allowed" in message
    outside = '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'
    assert "a DOCTYPE is not allowed" in problem(xml(outside, encoding), photo())[1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<annotation>", "cannot be read"),
        ("", "cannot be read"),
        ('<?xml version="1.0" encoding="nonsense"?><annotation/>', "cannot be read"),
        ("<annotation/>", "no size/height in <annotation>"),
        (annotation(width="wide"), "size/width is 'wide', expected a number"),
        (annotation(width="nan"), "cannot be read"),
        (annotation(width="inf"), "cannot be read"),
        (annotation(("dog", 3, 1, 2, 1)), "expected xmin <= xmax"),
        (annotation(("dog", 1, "nan", 2, 1)), "expected xmin <= xmax"),
        (annotation(("dog", 1, 1, "inf", 1)), "expected finite"),
        (annotation(("dog", 1, "", 2, 1)), "bndbox/ymin is '', expected a number"),
        (annotation() + "<!--" + "x" * (5 << 20) + "-->", "bytes, expected at most"),
    ],
)
def test_corrupt_xml(xml, photo, text, says):
    found, message = problem(xml(text), photo())
    assert found == "corrupt"
    assert says in message


def test_xml_of_another_size_and_without_objects(xml, photo):
    found, message = problem(xml(annotation(("dog", 1, 1, 2, 2), width=60, height=40)), photo())
    assert found == "size_mismatch"
    assert "is for 60 x 40 px, the photo has 6 x 4" in message
    assert problem(xml(annotation()), photo())[0] == "empty"
    assert problem(xml(annotation(("dog", 9, 9, 12, 12))), photo())[0] == "empty"


def test_fingerprint_changes_with_annotations_and_choice(tmp_path, xml):
    source = xml(annotation())
    before = source.fingerprint()
    assert VocMasks(root=str(tmp_path), object=None).fingerprint() == before
    choices = (["dog"], ["tulip"], ["daisy"])
    stamps = {VocMasks(root=str(tmp_path), object=choice).fingerprint() for choice in choices}
    assert len(stamps | {before}) == 4
    assert xml(annotation(("dog", 1, 1, 2, 2))).fingerprint() != before
