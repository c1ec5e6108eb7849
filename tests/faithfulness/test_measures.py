"""Each check against a closed form, a reference package, or itself done slowly."""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch
from pytorch_grad_cam.metrics.road import NoisyLinearImputer

from tests.faithfulness import slow
from tests.methods.asking import loaded, maps, request
from tests.methods.nets import trained_looking
from xai_audit.faithfulness.curves import insertion_deletion, ranks
from xai_audit.faithfulness.infidelity import (
    COPIES,
    SQUARES,
    infidelity,
    noisy,
    sensitivity,
    squares_of,
)
from xai_audit.faithfulness.output import DRAWS, draw_of
from xai_audit.faithfulness.randomise import layers_of, randomised, similarity
from xai_audit.faithfulness.road import imputed, road
from xai_audit.network.copies import baseline

SIDE, SEED = 24, 5


@pytest.fixture(scope="module")
def question():
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(6, 8, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 3),
    )
    for layer in net:  # outputs that move
        if hasattr(layer, "weight"):
            layer.weight.data *= 3
    model = loaded(net, SIDE)
    images = torch.randn(3, 3, SIDE, SIDE)
    return request(model, images, torch.tensor([0, 1, 2]), max_batch=5)


@pytest.fixture(scope="module")
def said(question):
    return maps("gradcam", question)[:, 0]


@pytest.fixture(scope="module")
def places(question, said):
    return ranks(said, (SIDE, SIDE), image_ids=question.image_ids, seed=SEED)


def test_ranks_order_the_pixels_from_the_most_relevant_down(said, places):
    drawn = torch.nn.functional.interpolate(said[:, None], (SIDE, SIDE), mode="bilinear")[:, 0]
    for pixels, place in zip(drawn, places, strict=True):
        assert sorted(place.flatten().tolist()) == list(range(SIDE * SIDE))
        by_rank = pixels.flatten()[place.flatten().argsort()]
        assert bool((by_rank.diff() <= 0).all())


def test_ties_fall_in_a_random_order_that_the_image_decides():
    flat = torch.zeros(3, 4, 4)
    one, same, other = ranks(flat, (8, 8), image_ids=["a", "a", "b"], seed=0)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.flatten().tolist() != list(range(64))


def test_insertion_and_deletion_are_the_areas_of_slow_curves(question, places):
    inserted, deleted = insertion_deletion(question, places, steps=7, seed=SEED)
    blurred = baseline("blur", question, SEED).numpy()
    for row, label in enumerate((0, 1, 2)):
        image, place = question.images[row].numpy(), places[row].numpy()
        plain = np.zeros_like(image)
        model = question.model
        assert float(inserted[row]) == pytest.approx(
            slow.area(model, label, place, image, blurred[row], 7), abs=1e-5
        )
        assert float(deleted[row]) == pytest.approx(
            slow.area(model, label, place, plain, image, 7), abs=1e-5
        )


# Theirs asks NumPy for what it will no longer do.
@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
def test_imputation_solves_the_systems_of_its_paper(question, places, share):
    class Silent:
        def standard_normal(self, size):
            return np.zeros(size)

    image, removed = question.images[0].numpy(), places[0].numpy() < share * SIDE * SIDE
    found = imputed(image, removed, Silent())
    np.testing.assert_allclose(found, slow.imputed(image, removed), atol=1e-5)
    # Theirs takes a mask of what is kept.
    theirs = NoisyLinearImputer(noise=0)(
        torch.from_numpy(image), torch.from_numpy(~removed).float()
    )
    np.testing.assert_allclose(found, theirs.numpy(), atol=1e-4)
    assert np.array_equal(found[:, ~removed], image[:, ~removed])


def test_road_is_the_mean_gap_of_its_two_orders(question, places):
    found = road(question, places, seed=SEED, num_workers=2)
    for row, label in enumerate((0, 1, 2)):
        image, image_id = question.images[row].numpy(), question.image_ids[row]
        theirs = slow.road(question.model, image, image_id, label, places[row].numpy(), SEED)
        assert float(found[row]) == pytest.approx(theirs, abs=1e-5)


def test_road_of_the_opposite_order_is_the_opposite(question, places):
    # Up to the noise, whose draws differ.
    one, other = (
        road(question, order, seed=SEED, num_workers=0)
        for order in (places, SIDE * SIDE - 1 - places)
    )
    torch.testing.assert_close(one, -other, atol=5e-3, rtol=0)


def test_infidelity_is_the_residual_of_its_least_squares(question, said):
    found = infidelity(question, said, seed=SEED)
    drawn = torch.nn.functional.interpolate(said[:, None], (SIDE, SIDE), mode="bilinear")[:, 0]
    squares = squares_of(question, SEED)
    assert len(squares) == 3 * SQUARES
    for row in range(3):

        def score(image: np.ndarray, row: int = row) -> float:
            with torch.no_grad():
                return float(question.model.module(torch.from_numpy(image)[None])[0, row])

        mine = [(y, x, side) for image, y, x, side in squares if image == row]
        theirs = slow.infidelity(score, question.images[row].numpy(), drawn[row].numpy(), mine)
        assert float(found[row]) == pytest.approx(theirs, abs=1e-4)


def test_a_linear_model_is_foretold_by_input_x_gradient():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * SIDE * SIDE, 3))

    class Linear(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.keep, self.net = torch.nn.Conv2d(3, 3, 1, bias=False), net
            self.keep.weight.data = torch.eye(3)[:, :, None, None]

        def forward(self, images):
            return self.net(self.keep(images))

    question = request(
        loaded(Linear(), SIDE), torch.randn(4, 3, SIDE, SIDE), torch.tensor([0, 1, 2, 0])
    )
    exact = maps("input_x_gradient", question)[:, 0]
    assert float(infidelity(question, exact, seed=SEED).max()) < 1e-6
    assert float(infidelity(question, -exact, seed=SEED).min()) == 1
    assert bool(infidelity(question, 0 * exact, seed=SEED).isnan().all())


def test_similarity_is_the_size_of_spearmans(said):
    other = said.roll(1, 0) + 0.3 * said
    found = similarity(said, other)
    for row in range(3):
        theirs = slow.similarity(said[row].numpy(), other[row].numpy())
        assert found[row] == pytest.approx(abs(theirs), abs=1e-12)
    np.testing.assert_allclose(similarity(said, -other), found)
    assert np.isnan(similarity(said, torch.zeros_like(said))).all()
    assert np.isnan(similarity(said, torch.full_like(said, torch.nan))).all()
    np.testing.assert_allclose(similarity(said, said), 1)


def drawn(model, depth: str, *, draw: int = 0, seed: int = 0) -> dict[str, torch.Tensor]:
    layers = layers_of(model)
    return randomised(model, depth, layers=layers, draw=draw, seed=seed).module.state_dict()


def changed(model, depth: str) -> set[str]:
    before = model.module.state_dict()
    return {n for n, v in drawn(model, depth).items() if not torch.equal(v, before[n])}


def test_randomising_goes_from_the_outputs_down_and_leaves_the_model_as_it_was():
    model = loaded(trained_looking("resnet18"), 64)
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    head, half, everything = (changed(model, depth) for depth in ("head", "half", "all"))
    assert head == {"fc.weight", "fc.bias"}
    assert "conv1.weight" not in half
    assert "layer4.1.conv2.weight" in half
    assert half < everything == {*before}
    for name, value in model.module.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not any(layer._forward_pre_hooks for layer in model.module.modules())


class Backwards(torch.nn.Module):
    """Defined from its outputs up, with a branch that no forward runs and a lone bias."""

    def __init__(self) -> None:
        super().__init__()
        self.say = torch.nn.Linear(1, 2)
        self.gain = torch.nn.Linear(4, 1)
        self.see = torch.nn.Conv2d(3, 4, 3)
        self.unused = torch.nn.Linear(7, 7)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.say(self.gain(torch.relu(self.see(images)).mean((2, 3))))


def test_layers_count_in_the_order_of_the_forward_whatever_the_definition():
    model = loaded(Backwards(), 16)
    assert changed(model, "head") == {"say.weight", "say.bias"}
    half = changed(model, "half")
    assert "gain.weight" in half
    assert "see.weight" not in half
    # One number has no spread of its own, and is drawn all the same.
    assert "gain.bias" in half


def test_random_weights_have_the_scale_of_the_trained_ones():
    model = loaded(trained_looking("resnet18"), 64)
    name = "layer4.1.conv2.weight"
    own, one = model.module.state_dict()[name], drawn(model, "all")[name]
    assert float(one.std() / own.std()) == pytest.approx(1, abs=0.01)
    assert torch.equal(one, drawn(model, "all")[name])
    assert not torch.equal(one, drawn(model, "all", draw=1)[name])
    assert not torch.equal(one, drawn(model, "all", seed=1)[name])


def test_random_weights_are_the_same_in_any_memory_format():
    model = loaded(trained_looking("resnet18"), 64)
    plain = copy.deepcopy(model.module)
    for parameter in plain.parameters():
        parameter.data = parameter.data.contiguous()
    other = dataclasses.replace(model, module=plain)
    for name, value in drawn(model, "all").items():
        torch.testing.assert_close(drawn(other, "all")[name], value, atol=1e-6, rtol=1e-5)


def test_images_spread_over_the_draws():
    draws = [draw_of(f"{number}.jpg", 0) for number in range(500)]
    assert min(Counter(draws).values()) > 60
    assert {*draws} == {*range(DRAWS)}


def test_sensitivity_is_the_largest_move_in_units_of_the_map(question, said):
    def explain(images: torch.Tensor) -> torch.Tensor:
        return images.mean(1)

    own = question.images.mean(1)
    found = sensitivity(question, own, explain, seed=SEED)
    for row in range(3):
        moved = [
            np.linalg.norm((noisy(question, number, SEED)[row] - question.images[row]).mean(0))
            for number in range(COPIES)
        ]
        assert float(found[row]) == pytest.approx(max(moved) / np.linalg.norm(own[row]), abs=1e-6)
    assert bool(sensitivity(question, 0 * own, explain, seed=SEED).isnan().all())


def test_tiny_noise_moves_no_pixel_by_more_than_two_steps_nor_out_of_a_photo(question):
    put = request(question.model, question.images.clamp(-1.5, 2), torch.tensor([0, 1, 2]))
    moved = noisy(put, 0, SEED) - put.images
    steps = moved * torch.tensor(question.model.preprocess.std)[:, None, None] * 255
    assert 1.9 < float(steps.abs().max()) <= 2.001
    white = request(question.model, torch.full_like(put.images, 9.0), torch.tensor([0, 1, 2]))
    lit = noisy(white, 0, SEED) * torch.tensor(question.model.preprocess.std)[:, None, None]
    lit += torch.tensor(question.model.preprocess.mean)[:, None, None]
    assert float(lit.max()) <= 1.0001
