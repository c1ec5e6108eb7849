"""The perturbation methods against Captum, the lime package and slow plain versions."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation, KernelShap, Occlusion
from lime.lime_image import LimeImageExplainer

from tests import tiny
from tests.methods.asking import attribution, cosines, loaded, maps, method, request
from xai_audit.errors import ConfigError
from xai_audit.methods._coalitions import PieceMethod, segments
from xai_audit.types import Preprocess

MEAN, STD = (np.array(v, np.float32) for v in (Preprocess().mean, Preprocess().std))


@pytest.fixture(scope="module")
def model():
    return loaded(tiny.net(), 64)


@pytest.fixture
def images():
    """Smooth enough for superpixels to follow something."""
    rough = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    return torch.nn.functional.interpolate(rough, (64, 64), mode="bicubic")


LABELS = torch.tensor([0, 2])


def test_occlusion_equals_captum(model, images):
    expected = Occlusion(model.module).attribute(
        images, sliding_window_shapes=(3, 13, 13), strides=(3, 6, 6), target=LABELS
    )
    got = maps("occlusion", request(model, images, LABELS), seed=0)[:, 0]
    assert float(cosines(got, expected[:, 0]).min()) >= 0.999


def painted(got: torch.Tensor, labels: list[torch.Tensor]) -> torch.Tensor:
    """A superpixel's value at each of its pixels, as the references show it."""
    sizes = [torch.bincount(each.flatten())[each] for each in labels]
    return got * torch.stack(sizes)


@pytest.mark.parametrize("superpixels", ["slic", "grid"])
def test_feature_ablation_equals_captum(model, images, superpixels):
    put = request(model, images, LABELS)
    labels = segments(put, superpixels, 20)
    expected = [
        FeatureAblation(model.module).attribute(
            images[i : i + 1], target=LABELS[i : i + 1], feature_mask=labels[i][None, None]
        )[0, 0]
        for i in range(2)
    ]
    keys = {"superpixels": superpixels, "pieces": 20, "fill": "mean", "seed": 0}
    got = painted(maps("feature_ablation", put, **keys)[:, 0], labels)
    assert float(cosines(got, torch.stack(expected)).min()) >= 0.999


def shapley(model, image: torch.Tensor, labels: torch.Tensor, target: int) -> np.ndarray:
    """By definition: every coalition, every order."""
    count = int(labels.max()) + 1
    masks = list(itertools.product([0, 1], repeat=count))
    kept = torch.tensor(masks, dtype=torch.float32)[:, labels][:, None]
    with torch.no_grad():
        score = model.module(image[None] * kept)[:, target].double().numpy()
    value, number = np.zeros(count), {mask: i for i, mask in enumerate(masks)}
    for mask, i in number.items():
        size = sum(mask)
        for piece in range(count):
            if not mask[piece]:
                more = number[mask[:piece] + (1,) + mask[piece + 1 :]]
                weight = math.factorial(size) * math.factorial(count - size - 1)
                value[piece] += weight / math.factorial(count) * (score[more] - score[i])
    return value


def test_kernel_shap_approaches_the_shapley_values(model, images):
    put = request(model, images, LABELS, max_batch=256)
    labels = segments(put, "grid", 9)
    keys = {"superpixels": "grid", "pieces": 9, "fill": "mean", "samples": 2000, "seed": 0}
    found = attribution("kernel_shap", put, **keys)
    got = painted(found.maps[:, 0], labels)
    exact = [shapley(model, images[i], labels[i], int(LABELS[i])) for i in range(2)]
    expected = torch.stack(
        [torch.from_numpy(v)[each] for v, each in zip(exact, labels, strict=True)]
    )
    assert float(cosines(got, expected).min()) >= 0.999
    assert float(found.completeness_error.abs().max()) < 1e-4


def test_kernel_shap_agrees_with_captum(model, images):
    put = request(model, images, LABELS, max_batch=256)
    labels = segments(put, "slic", 12)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - Captum draws from it
    expected = [
        KernelShap(model.module).attribute(
            images[i : i + 1], target=LABELS[i : i + 1], feature_mask=labels[i][None, None],
            n_samples=4000, perturbations_per_eval=64,
        )[0, 0]
        for i in range(2)
    ]  # fmt: skip
    keys = {"superpixels": "slic", "pieces": 12, "fill": "mean", "samples": 4000, "seed": 0}
    got = painted(maps("kernel_shap", put, **keys)[:, 0], labels)
    assert float(cosines(got, torch.stack(expected)).min()) >= 0.99


class Draws:
    """lime's random state, which gives out our own coalitions."""

    def __init__(self, kept: np.ndarray) -> None:
        self._kept = kept

    def randint(self, low, high, size):
        assert (low, high, size) == (0, 2, self._kept.size)
        return self._kept.ravel().astype(int)


def test_lime_equals_the_lime_package_on_the_same_coalitions(model, images):
    put = request(model, images, LABELS, max_batch=64)
    labels = segments(put, "slic", 15)
    keys = {"superpixels": "slic", "pieces": 15, "samples": 120, "seed": 3}
    got = painted(maps("lime", put, **keys)[:, 0], labels)
    draw = method("lime", **keys).draw

    def classify(photos: np.ndarray) -> np.ndarray:
        seen = (np.asarray(photos, np.float32) / 255 - MEAN) / STD
        with torch.no_grad():
            return model.module(torch.from_numpy(seen).permute(0, 3, 1, 2)).numpy()

    for i in range(2):
        count = int(labels[i].max()) + 1
        explainer = LimeImageExplainer()
        explainer.random_state = Draws(draw(f"{i}.jpg", count))
        pixels = (images[i].permute(1, 2, 0).numpy() * STD + MEAN) * 255
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = explainer.explain_instance(
                pixels.astype(np.float64), classify, labels=(int(LABELS[i]),), top_labels=None,
                num_samples=120, segmentation_fn=lambda _, i=i: labels[i].numpy(), random_seed=0,
            )  # fmt: skip
        value = np.zeros(count)
        for piece, weight in found.local_exp[int(LABELS[i])]:
            value[piece] = weight
        expected = torch.from_numpy(value)[labels[i]]
        assert float(cosines(got[i : i + 1], expected[None])) >= 0.999


def test_rise_is_the_score_weighted_mean_of_its_masks(model, images):
    built = method("rise", samples=30, seed=1)
    got = built.attribute(request(model, images, LABELS)).maps[:, 0]
    for i in range(2):
        draws, total, scores, masks = built._draw(f"{i}.jpg"), np.zeros((64, 64)), [], []
        for sample in range(30):
            big = torch.nn.functional.interpolate(
                draws[0][sample][None, None], (80, 80), mode="bilinear"
            )[0, 0]
            y, x = (int(v * 10) for v in draws[1][sample].tolist())
            mask = big[y : y + 64, x : x + 64]
            masks.append(mask.double().numpy())
            with torch.no_grad():
                scores.append(float(model.module(images[i : i + 1] * mask)[0, LABELS[i]]))
        mean = np.mean(scores)
        for score, mask in zip(scores, masks, strict=True):
            total += (score - mean) * mask / (30 * 0.5)
        np.testing.assert_allclose(got[i].numpy(), total, atol=1e-5)


def test_superpixels_are_numbered_without_gaps_and_cover_the_image(model, images):
    put = request(model, images, LABELS)
    for kind in ("slic", "grid"):
        for labels in segments(put, kind, 30):
            assert labels.shape == (64, 64)
            count = int(labels.max()) + 1
            assert 8 <= count <= 45
            assert int(torch.bincount(labels.flatten()).min()) > 0


def test_what_replaces_a_superpixel_is_its_mean(model, images):
    put = request(model, images, LABELS)
    keys = {"superpixels": "slic", "pieces": 12, "fill": "superpixel", "seed": 0}
    cut = PieceMethod(name="lime", sign="positive", **keys).cut(put)
    inside = cut.labels[1] == 3
    expected = images[1][:, inside].mean(1)
    assert torch.allclose(cut.fill[1][:, inside], expected[:, None].expand(-1, int(inside.sum())))


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"superpixels": "felzenszwalb"}, r"method\.superpixels of lime .* got felzenszwalb"),
        ({"fill": "grey"}, r"method\.fill of lime .* got grey"),
    ],
)
def test_unknown_names_are_refused(keys, line):
    whole = {"superpixels": "slic", "pieces": 9, "fill": "mean", "seed": 0} | keys
    with pytest.raises(ConfigError, match=line):
        PieceMethod(name="lime", sign="positive", **whole)
