from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from xai_audit.report import overlay as overlay_module
from xai_audit.report.overlay import Look, draw, drawn_size
from xai_audit.types import Preprocess
from xai_audit.vision.geometry import view

WHOLE = Preprocess(resize=None, crop=(200, 300))


def centroid(weight: np.ndarray) -> tuple[float, float]:
    y, x = np.indices(weight.shape) + 0.5
    return float((y * weight).sum() / weight.sum()), float((x * weight).sum() / weight.sum())


def heat_of(with_heat: Image.Image, without: Image.Image) -> np.ndarray:
    change = np.asarray(with_heat).astype(float) - np.asarray(without).astype(float)
    return np.abs(change).sum(axis=2)


@pytest.mark.parametrize("size", [(450, 300), (300, 450), (1200, 900), (330, 330)])
@pytest.mark.parametrize("cell", [(1, 1), (3, 5), (5, 2)])
def test_a_one_hot_heatmap_lies_on_the_square_that_the_model_saw_there(tmp_path, size, cell):
    """The photo is bright exactly where the hot cell of the model's view lies in it."""
    preprocess = Preprocess(resize=256, crop=(224, 224))
    geometry = view((size[1], size[0]), preprocess)
    start = (geometry.top, geometry.left)
    corners = [
        [
            (start[axis] + (cell[axis] + end) * 224 / 7)
            * (geometry.photo[axis] / geometry.resized[axis])
            for axis in (0, 1)
        ]
        for end in (0, 1)
    ]
    photo = Image.new("L", size, 0)
    (top, left), (bottom, right) = corners
    photo.paste(255, (round(left), round(top), round(right), round(bottom)))
    photo.convert("RGB").save(tmp_path / "p.png")
    hot = np.zeros((7, 7))
    hot[cell] = 1
    look = Look(preprocess, None, 320)
    plain = draw(tmp_path / "p.png", None, look=look)
    overlay = draw(tmp_path / "p.png", hot, look=look)
    assert min(overlay.size) == 320
    # On black the heat shows where it is; the square is where the plain photo is bright.
    square = np.asarray(plain.convert("L")).astype(float)
    Image.new("RGB", size).save(tmp_path / "black.png")
    black = [draw(tmp_path / "black.png", h, look=look) for h in (hot, None)]
    heat = heat_of(*black)
    assert centroid(heat) == pytest.approx(centroid(square > 127), abs=1.0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heatmap_and_size_follow_the_upright_photo(tmp_path, orientation):
    """A JPEG stored turned or mirrored looks as the upright one does, heatmap in place."""
    upright = Image.new("RGB", (300, 200), (30, 30, 30))
    upright.paste((250, 250, 250), (200, 20, 280, 80))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "t.jpg", quality=95, exif=exif)
    upright.save(tmp_path / "u.jpg", quality=95)
    hot = np.zeros((4, 6))
    hot[0, 4] = 1
    look = Look(WHOLE, 0.1, 200)
    expected, got = (draw(tmp_path / name, hot, look=look) for name in ("u.jpg", "t.jpg"))
    assert got.size == expected.size
    difference = np.abs(np.asarray(got).astype(int) - np.asarray(expected).astype(int))
    assert difference.mean() < 1.5


def test_a_large_jpeg_is_placed_like_the_same_photo_in_png(tmp_path):
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    large = small.resize((1601, 1203), Image.Resampling.BICUBIC)
    large.save(tmp_path / "p.png")
    large.save(tmp_path / "p.jpg", quality=95)
    look = Look(Preprocess(), 0.08, 160)
    png, jpg = (
        np.asarray(draw(tmp_path / f"p.{end}", np.eye(5), look=look)).astype(int)
        for end in ("png", "jpg")
    )
    assert np.abs(png - jpg).mean() < 4


def test_the_border_band_is_outlined_at_its_share_of_the_shorter_side(tmp_path):
    Image.new("RGB", (300, 200), (128, 128, 128)).save(tmp_path / "p.png")
    plain, outlined = (
        np.asarray(draw(tmp_path / "p.png", None, look=Look(WHOLE, border, 200)))
        for border in (None, 0.1)
    )
    rows, columns = np.nonzero((plain != outlined).any(axis=2))
    assert (rows.min(), rows.max()) == (20, 179)
    assert (columns.min(), columns.max()) == (20, 279)
    inside = (rows > 20) & (rows < 179) & (columns > 20) & (columns < 279)
    assert not inside.any()


@pytest.mark.parametrize("full", [True, 1, 255])
def test_the_objects_edge_is_traced(tmp_path, full):
    Image.new("RGB", (300, 200), (128, 128, 128)).save(tmp_path / "p.png")
    mask = np.zeros((200, 300), bool if full is True else np.uint8)
    mask[50:150, 100:200] = full
    mask[20:22, 20:22] = full  # a stray dab, as human masks have them
    look = Look(WHOLE, None, 200)
    plain, traced = (
        np.asarray(draw(tmp_path / "p.png", None, look=look, mask=m)) for m in (None, mask)
    )
    changed = (plain != traced).any(axis=2)
    expected = np.zeros_like(changed)
    expected[49:151, 100:200] = expected[50:150, 99:201] = True
    expected[51:149, 101:199] = False
    # Smoothing takes the tip off a corner, and nothing else.
    for y in (50, 150):
        for x in (100, 200):
            corner = np.s_[y - 3 : y + 3, x - 3 : x + 3]
            changed[corner] = expected[corner] = False
    assert (changed == expected).all()


def test_an_empty_mask_traces_nothing(tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / "p.png")
    look = Look(WHOLE, None, 20)
    empty = draw(tmp_path / "p.png", None, look=look, mask=np.zeros((20, 30), bool))
    assert empty.tobytes() == draw(tmp_path / "p.png", None, look=look).tobytes()


@pytest.mark.parametrize(
    ("mode", "value"),
    [
        ("L", 200),
        ("1", 1),
        ("LA", (200, 255)),
        ("RGBA", (200, 200, 200, 255)),
        ("CMYK", (0, 0, 0, 55)),
    ]
    + [("P", 200), ("I;16", 200 * 257)],
)
def test_every_mode_is_drawn(tmp_path, mode, value):
    file = tmp_path / ("p.tif" if mode == "CMYK" else "p.png")
    image = Image.new(mode, (30, 20), value)
    if mode == "P":
        image.putpalette([i for i in range(256) for _ in range(3)])
    image.save(file)
    preprocess = Preprocess(resize=None, crop=(20, 30))
    overlay = draw(file, None, look=Look(preprocess, None, 20))
    expected = 255 if mode == "1" else 200
    assert np.asarray(overlay)[10, 15] == pytest.approx([expected] * 3, abs=2)


def test_what_is_transparent_has_the_colour_that_the_model_saw(tmp_path):
    Image.new("RGBA", (30, 20), (70, 70, 70, 0)).save(tmp_path / "p.png")
    overlay = draw(tmp_path / "p.png", None, look=Look(WHOLE, None, 20))
    assert tuple(np.asarray(overlay)[10, 15]) == (70, 70, 70)


@pytest.mark.parametrize("content", [None, b"", b"not an image", "truncated", "bomb"])
def test_an_unreadable_photo_is_no_picture(tmp_path, content, monkeypatch):
    file = tmp_path / "p.jpg"
    if content == "truncated":
        Image.effect_noise((200, 200), 90).convert("RGB").save(file)
        file.write_bytes(file.read_bytes()[:3000])
    elif content == "bomb":
        Image.new("RGB", (200, 200)).save(file)
        monkeypatch.setattr(overlay_module, "_MOST", 30_000)
    elif content is not None:
        file.write_bytes(content)
    assert draw(file, np.eye(3), look=Look(WHOLE, 0.1, 320)) is None


def test_a_large_photo_is_drawn_without_a_warning(tmp_path, monkeypatch):
    Image.new("RGB", (200, 200)).save(tmp_path / "p.jpg")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30_000)
    assert draw(tmp_path / "p.jpg", None, look=Look(WHOLE, 0.1, 100)) is not None


def test_no_path_is_no_picture():
    assert draw(None, None, look=Look(WHOLE, None, 64)) is None


@pytest.mark.parametrize("size", [(3000, 10), (10, 3000), (1, 1)])
def test_extreme_shapes_stay_drawable(tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "p.png")
    overlay = draw(tmp_path / "p.png", np.eye(7), look=Look(Preprocess(), 0.08, 100))
    assert max(overlay.size) <= 300
    assert overlay.size == drawn_size(*size, 100)


def test_the_size_is_known_before_the_photo_is_opened(tmp_path):
    Image.new("RGB", (301, 203)).save(tmp_path / "p.png")
    look = Look(WHOLE, None, 100)
    assert draw(tmp_path / "p.png", None, look=look).size == drawn_size(301, 203, 100) == (148, 100)
    assert drawn_size(0, 0, 100) == (100, 100)
