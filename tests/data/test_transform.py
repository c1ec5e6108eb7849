import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2

from tests.data.photo_files import noise
from xai_audit.types import Preprocess
from xai_audit.vision.geometry import view
from xai_audit.vision.transform import Coverage, joint, to_view

SIZES = [(1, 1), (1, 300), (300, 1), (223, 224), (224, 224), (225, 223), (256, 256), (37, 500),
         (500, 37), (333, 500), (100, 100), (767, 511)]  # fmt: skip


def theirs(photo, preprocess):
    """Torchvision's own transforms on the photo (h, w, 3)."""
    steps = []
    if preprocess.resize is not None:
        mode = InterpolationMode(preprocess.interpolation)
        steps.append(v2.Resize(preprocess.resize, mode, antialias=preprocess.antialias))
    steps.append(v2.CenterCrop(preprocess.crop))
    return v2.Compose(steps)(tv_tensors.Image(torch.from_numpy(photo).permute(2, 0, 1)))


def ours(photo, preprocess, coverage=None):
    return joint(photo, coverage, view(photo.shape[:2], preprocess), preprocess)


def assert_same(photo, preprocess):
    found, _ = ours(photo, preprocess)
    assert found.dtype == torch.uint8
    assert found.shape == (3, *preprocess.crop)
    assert torch.equal(found, theirs(photo, preprocess))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("resize", "crop"),
    [(256, (224, 224)), (64, (97, 50)), (None, (64, 48)), ((50, 70), (40, 90)), (33, (33, 33))],
)
def test_equals_torchvision_bit_for_bit(size, resize, crop):
    assert_same(noise(*size), Preprocess(resize=resize, crop=crop))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [True, False])
def test_every_interpolation(interpolation, antialias):
    for size in ((75, 120), (31, 20)):
        options = {"interpolation": interpolation, "antialias": antialias}
        assert_same(noise(*size), Preprocess(resize=48, crop=(40, 44), **options))


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 90), width=st.integers(1, 90), resize=st.integers(1, 60),
    crop=st.tuples(st.integers(1, 70), st.integers(1, 70)),
)  # fmt: skip
def test_equals_torchvision_on_any_size(height, width, resize, crop):
    assert_same(noise(height, width), Preprocess(resize=resize, crop=crop))


def test_a_small_decoding_lands_where_the_photo_does():
    ramp = np.linspace(0, 255, 800).astype(np.uint8)
    photo = np.broadcast_to(ramp[:, None, None], (800, 600, 3)).copy()
    small = photo.reshape(200, 4, 150, 4, 3).mean(axis=(1, 3)).round().astype(np.uint8)
    preprocess = Preprocess(resize=64, crop=(56, 56))
    geometry = view((800, 600), preprocess)
    full, _ = joint(photo, None, geometry, preprocess)
    fast, _ = joint(small, None, geometry, preprocess)
    assert (full.int() - fast.int()).abs().max() <= 3


def triangle(source, target):
    """Weights (target, source) of bilinear resampling with antialiasing, in float64."""
    weights = np.zeros((target, source))
    scale = source / target
    support = max(scale, 1.0)
    for row in range(target):
        centre = (row + 0.5) * scale
        for column in range(source):
            weights[row, column] = max(0.0, 1.0 - abs(column + 0.5 - centre) / support)
        weights[row] /= weights[row].sum()
    return weights


def slow_view(mask, preprocess):
    """The mask's view in float64: resampled by dense matrices, cropped pixel by pixel."""
    geometry = view(mask.shape, preprocess)
    rows, columns = (triangle(s, t) for s, t in zip(mask.shape, geometry.resized, strict=True))
    resized = rows @ mask.astype(np.float64) @ columns.T
    out = np.zeros(preprocess.crop)
    for y in range(preprocess.crop[0]):
        for x in range(preprocess.crop[1]):
            row, column = y + geometry.top, x + geometry.left
            if 0 <= row < resized.shape[0] and 0 <= column < resized.shape[1]:
                out[y, x] = resized[row, column]
    return out


def disc(height, width):
    y, x = np.mgrid[:height, :width]
    inside = (y / height - 0.4) ** 2 + (x / width - 0.6) ** 2 < 0.09
    return (inside * 255).astype(np.uint8)


@pytest.mark.parametrize("size", [(90, 140), (20, 31), (64, 64), (7, 150)])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_coverage_equals_the_slow_resampling(size, interpolation):
    mask = disc(*size)
    both = np.stack([mask, 255 - mask])
    preprocess = Preprocess(resize=48, crop=(40, 53), interpolation=interpolation)
    _, found = ours(noise(*size), preprocess, both)
    assert isinstance(found, Coverage)
    assert found.dtype == torch.uint8
    for channel, plane in zip(found, both, strict=True):
        difference = np.abs(np.asarray(channel).astype(float) - slow_view(plane, preprocess))
        assert difference.max() <= 1.5


@pytest.mark.parametrize("edge", [10, 33, 100, 101, 150])
@pytest.mark.parametrize("width", [160, 200])
def test_an_edge_keeps_its_place(edge, width):
    mask = np.zeros((1, 120, width), np.uint8)
    mask[..., :edge] = 255
    preprocess = Preprocess(resize=40, crop=(40, 40))
    geometry = view((120, width), preprocess)
    _, found = joint(None, mask, geometry, preprocess)
    covered = np.asarray(found)[0].astype(float).sum(axis=1) / 255
    expected = np.clip(geometry.to_view(0, edge)[1], 0, 40)
    # Outside the crop's own borders a row's covered length is the edge's position, exactly.
    if 2 < expected < 38:
        assert np.abs(covered - expected).max() < 0.03
    else:
        assert np.abs(covered - expected).max() < 0.6


def test_object_and_background_stay_complementary():
    mask = disc(131, 97)
    _, found = ours(
        noise(131, 97), Preprocess(resize=40, crop=(40, 40)), np.stack([mask, 255 - mask])
    )
    total = np.asarray(found).astype(int).sum(axis=0)
    assert set(np.unique(total)) <= {254, 255, 256}


def test_joint_call_places_photo_and_coverage_alike():
    mask = disc(90, 130)
    photo = np.repeat(mask[..., None], 3, axis=2)
    image, coverage = ours(photo, Preprocess(resize=50, crop=(64, 40)), mask[None])
    assert (image.int() - coverage.int()).abs().max() <= 1
    assert isinstance(image, tv_tensors.Image)


def test_either_may_be_absent():
    preprocess = Preprocess(resize=8, crop=(8, 8))
    photo = noise(9, 9)
    assert joint(None, None, view((9, 9), preprocess), preprocess) == (None, None)
    image, coverage = ours(photo, preprocess)
    assert coverage is None
    direct = tv_tensors.Image(torch.from_numpy(photo).permute(2, 0, 1))
    assert torch.equal(to_view(direct, view((9, 9), preprocess), preprocess), image)


def test_coverage_goes_through_torchvisions_own_transforms():
    mask = Coverage(torch.from_numpy(disc(60, 90)[None]))
    out = v2.Resize(30)(mask)
    assert isinstance(out, Coverage)
    assert out.shape == (1, 30, 45)
    assert len(out.unique()) > 2  # soft, not nearest
