"""COCO files: which annotations of which image count; the raster is tested beside."""

from __future__ import annotations

import importlib
import json
import os
import pickle
from dataclasses import replace

import numpy as np
import pytest

from xai_audit.errors import ConfigError, DatasetError, MaskProblem
from xai_audit.masks.coco import CocoMasks

HEIGHT, WIDTH = 40, 50


@pytest.fixture
def coco(tmp_path):
    """Build the source of a COCO file with one image, or with the given ones."""

    def make(annotations, *, images=None, categories=None, **more):
        images = images or [{"id": 1, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH}]
        known = [{"id": 3, "name": "rose"}, {"id": 7, "name": "bee"}]
        notes = [{"id": i, "image_id": 1, "category_id": 3, **n} for i, n in enumerate(annotations)]
        content = {"images": images, "annotations": notes, "categories": known, **more}
        path = tmp_path / "coco.json"
        path.write_text(json.dumps(content))
        return CocoMasks(file=str(path), categories=categories)

    return make


@pytest.fixture
def image(photo):
    """The photo rose/a.jpg, WIDTH x HEIGHT px."""
    return photo("rose/a.jpg", HEIGHT, WIDTH)


def polygon(*points):
    return {"segmentation": [[number for point in points for number in point]]}


def rectangle(left, top, right, bottom):
    return polygon((left, top), (right, top), (right, bottom), (left, bottom))


def pixels(rows, columns):
    covered = np.zeros((HEIGHT, WIDTH), dtype=bool)
    covered[rows, columns] = True
    return covered


def problem(source, image):
    with pytest.raises(MaskProblem) as caught:
        source.load(image)
    return caught.value.status, caught.value.message


def test_union_of_annotations_and_of_their_polygons(coco, image):
    two = {
        "segmentation": [*rectangle(0, 0, 5, 5)["segmentation"], [20, 20, 30, 20, 30, 30, 20, 30]]
    }
    covered = coco([two, rectangle(3, 3, 10, 10)]).load(image)[0] == 255
    expected = pixels(slice(0, 5), slice(0, 5)) | pixels(slice(20, 30), slice(20, 30))
    np.testing.assert_array_equal(covered, expected | pixels(slice(3, 10), slice(3, 10)))


def test_crowd_is_void_but_not_over_an_annotation_of_its_own(coco, image):
    crowd = {**rectangle(0, 0, 20, 20), "iscrowd": 1}
    covered = coco([rectangle(10, 10, 30, 30), crowd]).load(image)
    own, group = pixels(slice(10, 30), slice(10, 30)), pixels(slice(0, 20), slice(0, 20))
    np.testing.assert_array_equal(covered[0] == 255, own)
    np.testing.assert_array_equal(covered[1] == 255, ~own & ~group)
    found, message = problem(coco([crowd]), image)
    assert found == "empty"
    assert "1 annotations" in message


@pytest.mark.parametrize("absent", [{}, {"segmentation": []}, {"segmentation": None}])
def test_a_box_without_a_segmentation_is_clipped_to_the_photo(coco, image, absent):
    covered = coco([{"bbox": [-12.0, -700.0, 20.0, 710.0], **absent}]).load(image)
    np.testing.assert_array_equal(covered[0] == 255, pixels(slice(0, 10), slice(0, 8)))
    outside = coco([{"bbox": [60.0, 5.0, 20.0, 20.0], **absent}])
    assert problem(outside, image)[0] == "empty"
    for bad in (None, [1, 2, 3], [1, 2, 3, float("nan")], ["a", "b", "c", "d"], {"x": 1}):
        assert problem(coco([{"bbox": bad, **absent}]), image)[0] == "corrupt"


@pytest.mark.parametrize("choice", [["bee"], [7], ("bee", 7)])
def test_categories_by_name_or_id(coco, image, choice):
    notes = [rectangle(0, 0, 5, 5), {**rectangle(20, 20, 30, 30), "category_id": 7}]
    covered = coco(notes, categories=choice).load(image)
    np.testing.assert_array_equal(covered[0] == 255, pixels(slice(20, 30), slice(20, 30)))
    np.testing.assert_array_equal(covered[1], 255 - covered[0])


@pytest.mark.parametrize("choice", [["wasp"], [9], [], ["bee", "wasp"], [["bee"]]])
def test_unknown_category_names_the_known(coco, choice):
    with pytest.raises(ConfigError, match=r"masks\.categories.*some of rose \(3\), bee \(7\)"):
        coco([], categories=choice)


def entry(number, name):
    return {"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH}


def test_exact_name_goes_before_base_name(coco, image, photo):
    images = [entry(1, "tulip/a.jpg"), entry(2, "./rose/a.jpg"), entry(3, "val\\b.jpg")]
    notes = [
        {**rectangle(0, 0, 5, 5), "image_id": 1},
        {**rectangle(9, 9, 20, 20), "image_id": 2},
        {**rectangle(30, 30, 40, 40), "image_id": 3},
    ]
    source = coco(notes, images=images)
    assert source.load(image)[0, 10, 10] == 255
    assert source.load(photo("tulip/a.jpg", HEIGHT, WIDTH))[0, 2, 2] == 255
    assert source.load(photo("rose/b.jpg", HEIGHT, WIDTH))[0, 35, 35] == 255
    found, message = problem(source, photo("daisy/a.jpg", HEIGHT, WIDTH))
    assert found == "ambiguous"
    assert message.startswith("tulip/a.jpg and rose/a.jpg of ")
    found, message = problem(source, photo("rose/c.jpg", HEIGHT, WIDTH))
    assert found == "missing"
    assert message.endswith("has no image rose/c.jpg")


def test_two_entries_of_one_name_or_id(coco):
    with pytest.raises(DatasetError, match=r"names an image twice.*got a\.jpg"):
        coco([], images=[entry(1, "a.jpg"), entry(2, "./a.jpg")])
    with pytest.raises(DatasetError, match="two images one id"):
        coco([], images=[entry(1, "a.jpg"), entry(1, "b.jpg")])


def test_sizes_are_checked(coco, photo):
    found, message = problem(coco([rectangle(0, 0, 5, 5)]), photo("rose/a.jpg", 4, 6))
    assert found == "size_mismatch"
    assert f"is for {WIDTH} x {HEIGHT} px, the photo has 6 x 4" in message


def test_image_without_a_size_or_annotations(coco, image):
    bare = [{"id": 1, "file_name": "a.jpg"}]
    assert coco([rectangle(0, 0, 5, 5)], images=bare).load(image)[0].any()
    assert problem(coco([]), image)[0] == "empty"


@pytest.mark.parametrize("bad", [{}, polygon((1, 2), (3, 4), (5, 10**400))])
def test_malformed_segmentation_is_one_images_problem(coco, image, bad):
    images = [entry(1, "a.jpg"), entry(2, "b.jpg")]
    source = coco([rectangle(0, 0, 5, 5), {**bad, "image_id": 2}], images=images)
    assert source.load(image)[0].any()
    found, message = problem(source, replace(image, image_id="rose/b.jpg"))
    assert found == "corrupt"
    assert message.startswith("b.jpg in ")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "got Expecting"),
        ("[]", "not a mapping"),
        ('{"images": []}', "got no key 'annotations'"),
        ('{"images": [{"id": 1}], "annotations": []}', "got no key 'file_name'"),
        ('{"images": [1], "annotations": []}', "got"),
        ('{"images": [], "annotations": [{"image_id": []}]}', "no number or text"),
        ("[" * 100_000, "got"),
        (b"\xff\xfe\x00", "got"),
    ],
)
def test_what_is_no_coco_file_is_a_config_error(tmp_path, text, says):
    path = tmp_path / "coco.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match="not a COCO annotation file") as caught:
        CocoMasks(file=str(path), categories=None)
    assert says in str(caught.value)


def test_missing_file_and_missing_package(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="no such annotation file"):
        CocoMasks(file=str(tmp_path / "none.json"), categories=None)

    def absent(name):
        raise ModuleNotFoundError(f"No module named '{name}'")

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ConfigError, match=r'remedy: pip install "xai-audit\[coco\]"'):
        CocoMasks(file=str(tmp_path / "none.json"), categories=None)


def test_strays_are_counted_in_the_log(coco, image, caplog):
    source = coco([rectangle(0, 0, 5, 5), {**rectangle(9, 9, 20, 20), "image_id": 99}])
    assert "1 annotations of" in caplog.text
    assert not source.load(image)[0, 10, 10]


def test_pickle_and_fingerprint(coco, image, tmp_path):
    source = coco([rectangle(0, 0, 5, 5)])
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again.load(image), source.load(image))
    path = str(tmp_path / "coco.json")
    assert CocoMasks(file=path, categories=None).fingerprint() == source.fingerprint()
    assert CocoMasks(file=path, categories=["bee"]).fingerprint() != source.fingerprint()
    os.utime(path, ns=(0, 1))
    assert CocoMasks(file=path, categories=None).fingerprint() != source.fingerprint()
    # What was read is what it stands for.
    assert again.fingerprint() == source.fingerprint()
