"""The gradient methods against Captum on the same draws, and what their axioms promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import GradientShap, InputXGradient, IntegratedGradients, NoiseTunnel, Saliency

from tests import tiny
from tests.methods.asking import attribution, cosines, loaded, maps, request
from tests.methods.nets import trained_looking
from xai_audit.errors import ConfigError
from xai_audit.methods.gradient_shap import GradientShap as Ours
from xai_audit.methods.integrated_gradients import (
    IntegratedGradients as IntegratedGradientsOfOurs,
)
from xai_audit.network.copies import BASELINES, baseline, normal
from xai_audit.run.sample import seed_of

# Not mobilenet_v2: untrained, its outputs depend on the image by 1e-12.
NETS = ("resnet18", "vgg11_bn")


@pytest.fixture(params=NETS)
def net(request):
    return trained_looking(request.param)


@pytest.fixture
def images():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def question(net: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor):
    return request(loaded(net, images.shape[2]), images, labels)


def leaf(images: torch.Tensor) -> torch.Tensor:
    return images.clone().requires_grad_()


def black(images: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406),
                                                            (0.229, 0.224, 0.225)))  # fmt: skip
    return (-mean / std).expand_as(images).contiguous()


def test_saliency_equals_captum(net, images):
    labels = torch.tensor([0, 3])
    expected = Saliency(net).attribute(leaf(images), target=labels).sum(1)
    got = maps("saliency", question(net, images, labels))[:, 0]
    assert float(cosines(got, expected).min()) >= 0.9999


def test_input_x_gradient_equals_captum(net, images):
    labels = torch.tensor([0, 3])
    expected = InputXGradient(net).attribute(leaf(images), target=labels).sum(1)
    got = maps("input_x_gradient", question(net, images, labels))[:, 0]
    assert float(cosines(got, expected.detach()).min()) >= 0.9999


def test_integrated_gradients_equal_captum(net, images):
    labels = torch.tensor([0, 3])
    expected = IntegratedGradients(net).attribute(
        images, black(images), target=labels, n_steps=12, return_convergence_delta=True
    )
    got = attribution("integrated_gradients", question(net, images, labels), steps=12, seed=0)
    assert float(cosines(got.maps[:, 0], expected[0].detach().sum(1)).min()) >= 0.9999
    assert torch.allclose(got.completeness_error[:, 0], expected[1].float(), atol=1e-3)


def test_smoothgrad_equals_captum_on_the_same_noise(net, images, monkeypatch):
    labels, samples = torch.tensor([0, 3]), 6
    spread = 0.15 * (images.amax((1, 2, 3)) - images.amin((1, 2, 3)))
    noise = torch.stack(
        [
            normal(images[i], seed_of(0, f"{i}.jpg", "smoothgrad", s)) * spread[i]
            for i in range(2)
            for s in range(samples)
        ]
    )
    monkeypatch.setattr(torch, "normal", lambda *_, **__: noise)
    expected = NoiseTunnel(Saliency(net)).attribute(
        images.clone(), nt_samples=samples, stdevs=0.1, target=labels, abs=False
    )
    monkeypatch.undo()
    got = maps("smoothgrad", question(net, images, labels), samples=samples, seed=0)[:, 0]
    assert float(cosines(got, expected.abs().sum(1)).min()) >= 0.9999


def test_gradient_shap_equals_captum_on_the_same_draws(net, images, monkeypatch):
    labels, samples = torch.tensor([0, 3]), 10
    keys = {"baselines": ["black", "mean"], "samples": samples, "seed": 0}
    ours = Ours(name="gradient_shap", sign="positive", **keys)
    kinds, at = (v.reshape(samples, 2).T.ravel() for v in ours._draws(["0.jpg", "1.jpg"]))
    choose = iter([kinds])
    monkeypatch.setattr(np.random, "choice", lambda *_, **__: next(choose))
    monkeypatch.setattr(np.random, "uniform", lambda *_, **__: at)
    starts = torch.stack([black(images)[0], torch.zeros(3, 64, 64)])
    expected = GradientShap(net).attribute(
        images.clone(), starts, n_samples=samples, stdevs=0.0, target=labels
    )
    monkeypatch.undo()
    got = maps("gradient_shap", question(net, images, labels), **keys)[:, 0]
    assert float(cosines(got, expected.detach().sum(1)).min()) >= 0.9999


class Square(torch.nn.Module):
    """Whose score is a sum of squares, so that every integral is known."""

    def __init__(self) -> None:
        super().__init__()
        self.features = torch.nn.Conv2d(3, 3, 1, groups=3, bias=False)
        torch.nn.init.ones_(self.features.weight)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        squares = self.features(images).square().sum((1, 2, 3))
        return torch.stack([squares, -squares], 1)


@pytest.mark.parametrize("kind", BASELINES)
def test_integrated_gradients_of_a_square_are_exact(kind):
    """x^2 - b^2 at each pixel, whatever the baseline; two points integrate a line exactly."""
    images = torch.randn(3, 3, 16, 16)
    put = request(loaded(Square(), 16, "features"), images, torch.tensor([0, 1, 0]))
    got = attribution("integrated_gradients", put, baseline=kind, steps=2, seed=4)
    start = baseline(kind, put, 4)
    expected = (images.square() - start.square()).sum(1)
    sign = torch.tensor([1.0, -1.0, 1.0])[:, None, None]
    assert torch.allclose(got.maps[:, 0], expected * sign, atol=1e-4)
    assert float(got.completeness_error.abs().max()) < 1e-2


def test_gradient_shap_approaches_the_mean_over_its_baselines():
    images = torch.randn(1, 3, 8, 8)
    put = request(loaded(Square(), 8, "features"), images, torch.tensor([0]), max_batch=64)
    got = attribution("gradient_shap", put, samples=4096, seed=0).maps[0, 0]
    starts = [baseline(kind, put, 0)[0] for kind in BASELINES[:4]]
    expected = sum((images[0].square() - start.square()).sum(0) for start in starts) / 4
    assert float(cosines(got[None], expected[None])) > 0.99


def test_completeness_error_is_what_is_missing():
    """A coarse path misses some of the score, and says how much."""
    net, images = tiny.net(), torch.randn(2, 3, 64, 64)
    put = question(net, images, torch.tensor([1, 2]))
    coarse = attribution("integrated_gradients", put, steps=1, seed=0)
    fine = attribution("integrated_gradients", put, steps=64, seed=0)
    with torch.no_grad():
        change = (put.logits - put.model.module(black(images))).gather(1, torch.tensor([[1], [2]]))
    for found in (coarse, fine):
        missing = found.maps.sum((2, 3)) - change
        assert torch.allclose(found.completeness_error, missing, atol=1e-4)
    assert float(fine.completeness_error.abs().max()) < 0.05 * float(change.abs().min())


def test_an_unknown_baseline_is_refused_before_anything_runs():
    with pytest.raises(ConfigError, match=r"method\.baseline of ig.*random, photo \| got grey"):
        IntegratedGradientsOfOurs(name="ig", sign="positive", baseline="grey", steps=2, seed=0)


def test_a_photo_of_the_dataset_as_baseline_is_another_one_whatever_the_batch():
    model, images = loaded(tiny.net(), 64), torch.randn(4, 3, 64, 64)
    ids = [f"{i}.jpg" for i in range(4)]
    labels = torch.tensor([0, 1, 2, 0])

    def question(some: slice):
        made = request(model, images[some], labels[some], ids=ids[some])
        made._read = lambda: (ids, images)
        return made

    drawn = baseline("photo", question(slice(0, 4)), 3)
    for row in range(4):
        assert [bool(torch.equal(drawn[row], other)) for other in images].count(True) == 1
        assert not torch.equal(drawn[row], images[row])
    together = attribution("integrated_gradients", question(slice(0, 4)), baseline="photo", seed=3)
    alone = attribution("integrated_gradients", question(slice(2, 3)), baseline="photo", seed=3)
    torch.testing.assert_close(together.maps[2], alone.maps[0], atol=1e-5, rtol=1e-4)
    # Its sum is the change of score from that photo to the image.
    with torch.no_grad():
        change = model.module(images[2:3])[0, 2] - model.module(drawn[2:3])[0, 2]
    assert float(alone.maps.sum()) == pytest.approx(float(change), abs=1e-2)
