from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from tests.cues import property_canvases as made
from xai_audit.cues.sharpness import Sharpness, _blurred, _variance, _window

CUE = Sharpness(name="sharpness")


def blurred(pixels: np.ndarray, sigma: float) -> np.ndarray:
    soft = gaussian_filter(pixels.astype(float), (sigma, sigma, 0), mode="nearest")
    return soft.round().astype(np.uint8)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5])
def test_blur_equals_scipy(sigma):
    pixels = made.textured()
    found = made.array(_blurred(made.canvas(pixels).photo, sigma))
    assert np.abs(found - blurred(pixels, sigma)).max() <= 1


def weighted_sum(pixels: np.ndarray, sigma: float, axis: int) -> np.ndarray:
    """One axis under a Gaussian cut at 3.5 sigma, written out in float64, edges continued."""
    half, side = max(math.ceil(3.5 * sigma), 1), pixels.shape[axis]
    offsets = range(-half, half + 1)
    weights = [math.exp(-(k**2) / (2 * sigma**2)) for k in offsets]
    taken = [np.take(pixels, np.clip(np.arange(side) + k, 0, side - 1), axis) for k in offsets]
    return sum(w * t for w, t in zip(weights, taken, strict=True)) / sum(weights)


@pytest.mark.parametrize("sigma", [0.15, 0.3, 1.0, 2.5, 12.0])
def test_blur_is_the_weighted_sum_rounded(sigma):
    pixels = made.textured()
    exact = weighted_sum(weighted_sum(pixels.astype(np.float64), sigma, 0), sigma, 1)
    found = made.array(_blurred(made.canvas(pixels).photo, sigma))
    assert np.abs(found - exact).max() <= 0.5 + 1e-6 * 255


@pytest.mark.parametrize("shape", [(7, 8), (120, 161)])
def test_window_is_one_inside_and_a_raised_cosine_over_the_outer_quarters(shape):
    sides = []
    for side in shape:
        edge = [min(k + 0.5, side - k - 0.5) / side for k in range(side)]
        sides.append([0.5 - 0.5 * math.cos(math.pi * min(4 * share, 1)) for share in edge])
    assert _window(shape) == pytest.approx(np.outer(*sides), rel=1e-6)


@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.0, 3.0])
def test_variances_add(sigma):
    pixels = made.textured(size=(240, 320))
    more = _variance(made.canvas(blurred(pixels, sigma))) - _variance(made.canvas(pixels))
    assert more == pytest.approx(sigma**2, rel=0.12)


@pytest.mark.parametrize(
    ("sigma", "quality"), [(1.0, 95), (1.6, 95), (2.5, 95), (1.0, 85), (1.6, 85), (1.0, 70)]
)
def test_a_jpeg_does_not_hide_the_blur_under_its_noise(sigma, quality):
    pixels = made.textured(size=(240, 320))
    stream = io.BytesIO()
    Image.fromarray(blurred(pixels, sigma)).save(stream, "JPEG", quality=quality)
    stored = np.array(Image.open(stream))
    more = _variance(made.canvas(stored)) - _variance(made.canvas(pixels))
    assert more == pytest.approx(sigma**2, rel=0.25)


def test_level_orders_photos_by_blur_whatever_they_show():
    levels = [
        [CUE.level(made.canvas(blurred(made.textured(seed), sigma))) for seed in range(6)]
        for sigma in (0, 0.8, 1.5, 3)
    ]
    for sharper, softer in zip(levels, levels[1:], strict=False):
        assert min(sharper) > max(softer)


@pytest.mark.parametrize("sigma", [0.8, 1.5, 2.5])
def test_transplant_from_a_blurred_twin_is_that_blur(sigma):
    pixels = made.textured(size=(240, 320))
    target = blurred(pixels, sigma)
    result = made.array(CUE.transplant(made.canvas(pixels), made.canvas(target)))
    apart = np.abs(result - target.astype(int)).mean()
    assert apart < 0.1 * np.abs(pixels.astype(int) - target).mean()


def test_a_photo_is_never_sharpened():
    pixels = made.textured()
    soft = made.canvas(blurred(pixels, 1.5))
    assert CUE.transplant(soft, made.canvas(pixels)) is soft.photo


def test_the_background_is_described_without_the_object():
    pixels, mask = made.textured(size=(240, 320)), made.disc((240, 320), 60)
    smooth = np.where(mask[..., None], np.uint8(90), pixels)
    noise = np.random.default_rng(0).integers(0, 255, pixels.shape).astype(np.uint8)
    noisy = np.where(mask[..., None], noise, pixels)
    blurs = [CUE.descriptors(made.canvas(p, mask))[0] for p in (pixels, smooth, noisy)]
    assert np.ptp(blurs) < 0.05
    soft = np.where(mask[..., None], pixels, blurred(pixels, 2))
    assert CUE.descriptors(made.canvas(soft, mask))[0] == pytest.approx(2, abs=0.3)


def test_the_object_s_size_cannot_be_told():
    rows, big = [], np.arange(60) % 2
    for seed, label in enumerate(big):
        mask = made.disc((120, 160), 38 if label else 20)
        pixels = np.where(mask[..., None], np.uint8(200), made.textured(seed))
        rows.append(CUE.descriptors(made.canvas(pixels, mask)))
    told = cross_val_predict(LogisticRegression(), np.array(rows), big, method="predict_proba")
    assert roc_auc_score(big, told[:, 1]) < 0.65
