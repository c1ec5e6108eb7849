from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from tests import tiny
from tests.adversarial.photos import (
    PREPROCESS,
    SETTINGS,
    SIDE,
    Linear,
    attacker,
    batch,
    loaded,
    prepared,
)
from xai_audit.adversarial.attacker import _subjects
from xai_audit.adversarial.decision import Decision, margin
from xai_audit.adversarial.norms import LARGEST, ROOT_MEAN_SQUARE
from xai_audit.adversarial.search import Found, Settings, attacked, iterated, one_step
from xai_audit.errors import ModelError
from xai_audit.schema import ADVERSARIAL, ATTACKS, REGIONS

WEIGHT = torch.randn(3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) / 50
MEASURES = ["epsilon", "rms", "l2", *[f"energy_{r}" for r in REGIONS]]


def frame(model, photos, **more) -> pd.DataFrame:
    table = attacker(model, **more).rows(photos)
    assert table.schema.equals(ADVERSARIAL)
    return table.to_pandas()


def normalised(photos) -> np.ndarray:
    """(B, 3, H, W) float64, plainly."""
    column = (1, 3, 1, 1)
    mean, std = np.reshape(PREPROCESS.mean, column), np.reshape(PREPROCESS.std, column)
    return (photos.photos.double().numpy() / 255 - mean) / std


def distances(photos, bias: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Margins (B,) of :class:`Linear`, and its weights by pixels, in float64."""
    weight = WEIGHT.double().numpy()
    score = (normalised(photos) * weight).sum((1, 2, 3)) + bias
    per_pixel = weight / 255 / np.reshape(PREPROCESS.std, (3, 1, 1))
    return np.abs(score), per_pixel, score


def linear(photos, bias: float = 0.1):
    return frame(loaded(Linear(WEIGHT, bias)), photos).set_index("attack")


def test_the_smallest_changes_of_a_linear_model_are_its_closed_form():
    """L-infinity: margin / |w|_1. L2: margin / |w|_2, along w, so that energy goes as w squared."""
    photos = batch()
    found = linear(photos)
    margins, weight, score = distances(photos, 0.1)
    assert (margins < 8 * np.abs(weight).sum()).all()
    assert (found.status == "ok").all()
    for attack in ("fgsm", "pgd"):
        truth = margins / np.abs(weight).sum()
        assert (found.epsilon[attack] >= truth * (1 - 1e-4)).all()
        np.testing.assert_allclose(found.epsilon[attack], truth, rtol=0.02)
    np.testing.assert_allclose(found.l2["pgd_l2"], margins / np.sqrt((weight**2).sum()), rtol=0.02)
    np.testing.assert_allclose(found.l2, found.rms * np.sqrt(3 * SIDE**2), rtol=1e-5)
    pred = (score > 0).astype(int)
    assert (found.pred["pgd"] == pred).all()
    assert (found.flipped_to["pgd"] == 1 - pred).all()
    square = (weight**2).sum(0)
    share = square[8:24, 8:24].sum() / square.sum()
    np.testing.assert_allclose(found.energy_object["pgd_l2"], share, rtol=1e-3)
    np.testing.assert_allclose(found.energy_background["pgd_l2"], 1 - share, rtol=1e-3)
    inner = square[4:28, 4:28].sum() / square.sum()
    np.testing.assert_allclose(found.energy_border["pgd_l2"], 1 - inner, rtol=1e-3)
    corner = square[:8, -8:].sum() / square.sum()
    np.testing.assert_allclose(found.energy_corner_top_right["pgd_l2"], corner, rtol=1e-3)


def test_a_pixel_that_is_half_object_counts_half():
    photos = batch()
    whole = linear(photos).energy_object["pgd_l2"].to_numpy()
    photos.coverage[:, 0, 8:24, 8:24] = 102
    found = linear(photos)
    np.testing.assert_allclose(found.energy_object["pgd_l2"], whole * 0.4, rtol=1e-3)
    np.testing.assert_allclose(found.area_object, 0.1, rtol=1e-5)


def test_the_sign_spreads_its_energy_evenly():
    found = linear(batch())
    assert np.allclose(found.area_object, 0.25)
    np.testing.assert_allclose(found.lift_object["fgsm"], 1, rtol=1e-3)
    np.testing.assert_allclose(found.lift_border["fgsm"], 1, rtol=1e-3)


def test_a_change_flips_and_pixels_stay_valid():
    """Dark and bright photos: what would leave 0..255 is clamped, and it still flips."""
    photos = batch(level=(0, 256))
    model = loaded(Linear(WEIGHT, 0.0))
    one = attacker(model)
    part = photos.photos.float()
    kept = one.decision.logits(part).argmax(1)
    subjects = _subjects(photos.records, part, kept, PREPROCESS)
    found, blind = attacked(one.decision, subjects, SETTINGS)
    assert not blind.any()
    for attack in ATTACKS:
        changed = part + found[attack].change
        assert changed.min() >= 0
        assert changed.max() <= 255
        assert (margin(one.decision.logits(changed), kept) < 1e-5).all()
        # A hair less does not: the size is that of the edge, within a 64th.
        less = part + found[attack].change * 0.95
        assert (margin(one.decision.logits(less), kept) > 0).all()


def test_iterating_never_finds_less_than_one_step():
    found = frame(prepared(tiny.net()), batch(8)).set_index("attack")
    assert (found.epsilon["pgd"].to_numpy() <= found.epsilon["fgsm"].to_numpy()).all()
    assert (found.rms["pgd_l2"].to_numpy() <= found.rms["fgsm"].to_numpy()).all()


class Bent(nn.Module):
    """At grey level 128 one step is led along red, while green, once under way, is far shorter."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean, std = torch.tensor(PREPROCESS.mean), torch.tensor(PREPROCESS.std)
        grey = (images.mean((2, 3)) * std + mean) * 255 - 128
        red, green = grey[:, 0], grey[:, 1]
        score = 1 + red / 10 - ((green + 0.1) ** 2) / 4
        return torch.stack([torch.zeros_like(score), score], 1)


def test_steps_find_what_one_step_does_not():
    """The nearest point of 1 + r/10 = (g + 0.1)^2 / 4 to the origin, by a fine search."""
    photos = batch(1)
    photos.photos[:] = 128
    decision = Decision(loaded(Bent()), lambda: None)
    subjects = _subjects(photos.records, photos.photos.float(), torch.tensor([1]), PREPROCESS)
    _, gradient = decision.slope(subjects.pixels, subjects.kept)
    first = one_step(decision, subjects, ROOT_MEAN_SQUARE, gradient, most=8.0)
    found = iterated(decision, subjects, ROOT_MEAN_SQUARE, first, settings=SETTINGS)
    red = np.linspace(-8, 8, 100_001)
    green = 2 * np.sqrt(np.clip(1 + red / 10, 0, None)) - 0.1
    truth = np.sqrt((red**2 + green**2).min() / 3)
    assert float(first.size) > 1.2 * truth
    assert truth * 0.999 < float(found.size) < 1.1 * truth


@pytest.mark.parametrize("size", [1, 3])
def test_rows_do_not_depend_on_the_batch(size):
    photos = batch(6)
    model = prepared(tiny.net(2))
    whole, pieces = (frame(model, photos, batch_size=s) for s in (8, size))
    assert list(whole.image_id) == list(pieces.image_id)
    assert (whole.status == "ok").any()
    pd.testing.assert_frame_equal(
        whole.drop(columns="change_map"), pieces.drop(columns="change_map"), rtol=1e-2, atol=1e-3
    )


class Noted(Decision):
    """Notes where each descent begins."""

    def __init__(self) -> None:
        super().__init__(loaded(Linear(WEIGHT, 500.0)), lambda: None)  # never flips
        self.seen: list[torch.Tensor] = []

    def slope(self, pixels, kept):
        self.seen.append(pixels)
        return super().slope(pixels, kept)


def starts(photos, seed: int) -> torch.Tensor:
    """The changes (B, C, H, W) that PGD begins with."""
    noted, pixels = Noted(), photos.photos.float()
    kept = torch.ones(len(pixels), dtype=torch.int64)
    subjects = _subjects(photos.records, pixels, kept, PREPROCESS)
    nothing = Found(torch.zeros_like(pixels), torch.full((len(pixels),), torch.inf))
    found = iterated(noted, subjects, LARGEST, nothing, settings=Settings(8.0, 3, seed))
    assert found.size.isinf().all()
    return noted.seen[0] - pixels


def test_the_random_start_is_the_images_own_and_the_seeds():
    photos = batch(3)
    start = starts(photos, 0)
    assert 7 < start.abs().max() <= 8
    assert abs(start.mean()) < 0.2
    torch.testing.assert_close(starts(photos.images(slice(1, 2)), 0), start[1:2])
    for other in (starts(photos, 1)[0], start[1]):
        assert (start[0] - other).abs().mean() > 2


class Border(nn.Module):
    """Looks at the outer 4 px only."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        inner = images[:, :, 4:-4, 4:-4].sum((1, 2, 3))
        score = (images.sum((1, 2, 3)) - inner) / 100
        return torch.stack([torch.zeros_like(score), score], 1)


def test_a_model_that_looks_at_the_border_is_flipped_there():
    found = frame(loaded(Border()), batch()).set_index("attack").loc["pgd_l2"]
    assert (found.status == "ok").all()
    assert (found.energy_border > 0.999).all()
    assert (found.energy_object < 1e-3).all()
    np.testing.assert_allclose(found.lift_border, 1 / found.area_border, rtol=1e-3)
    for cells, scale in zip(found.change_map, found.change_scale, strict=True):
        drawn = np.asarray(cells, float).reshape(28, 28) * scale
        assert drawn[8:20, 8:20].max() == 0
        assert drawn[0].min() > 0


def test_without_masks_object_and_background_are_null_with_a_reason():
    found = frame(loaded(Linear(WEIGHT, 0.1)), batch(masks=False))
    assert set(found.region_status) == {"mask=none"}
    unknown = [f"{what}_{r}" for what in ("energy", "area", "lift") for r in REGIONS[:2]]
    assert found[unknown].isna().all(axis=None)
    assert found[[f"energy_{r}" for r in REGIONS[2:]]].notna().all(axis=None)


def test_what_does_not_flip_is_null_not_zero():
    found = frame(loaded(Linear(WEIGHT, 500.0)), batch(2))
    assert set(found.status) == {"not_flipped"}
    assert set(found.region_status) == {"change=not_flipped"}
    nulls = [*MEASURES, "flipped_to", "change_map", "change_scale"]
    assert found[nulls].isna().all(axis=None)
    assert found.area_border.notna().all()
    assert (found.pred == 1).all()


class Flat(nn.Module):
    """Says the same of every photo; ``detached`` even without a graph."""

    def __init__(self, *, detached: bool) -> None:
        super().__init__()
        self.detached = detached

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        score = images.mean((1, 2, 3))
        logits = torch.stack([score * 0, score * 0 + 1], 1)
        return logits.detach() if self.detached else logits


@pytest.mark.parametrize("detached", [True, False])
def test_no_gradient_is_told(detached):
    found = frame(loaded(Flat(detached=detached)), batch(2))
    assert set(found.status) == {"no_gradient"}
    assert found[MEASURES].isna().all(axis=None)


def test_logits_that_are_no_numbers_are_left_alone_and_the_others_not():
    photos = batch(3)
    photos.photos[1] = 0
    found = frame(loaded(tiny.nan_net()), photos)
    assert list(found.status[3:6]) == ["not_finite"] * 3
    assert found.pred[3:6].isna().all()
    assert found[MEASURES][3:6].isna().all(axis=None)
    assert "not_finite" not in {*found.status[:3], *found.status[6:]}


def test_one_output_has_no_other():
    class One(nn.Module):
        def forward(self, images):
            return images.mean((1, 2, 3))[:, None]

    model = loaded(One())
    object.__setattr__(model, "num_outputs", 1)
    assert set(frame(model, batch(2)).status) == {"one_output"}


def test_a_photo_that_cannot_be_read_has_rows_that_say_so():
    photos = batch(1)
    photos.problems["noise/gone.png"] = ("unreadable", "no file")
    found = frame(loaded(Linear(WEIGHT, 0.1)), photos)
    assert list(found.image_id) == ["noise/0.png"] * 3 + ["noise/gone.png"] * 3
    assert set(found.status[3:]) == {"unreadable"}


class Greedy(nn.Module):
    """Runs out of memory on more than ``most`` images with a graph."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.body, self.most = Linear(WEIGHT, 0.1), most

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.requires_grad and len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.body(images)


def test_out_of_memory_gives_the_same_rows(caplog):
    photos = batch(5)
    whole = frame(loaded(Linear(WEIGHT, 0.1)), photos)
    one = attacker(loaded(Greedy(2)))
    pieces = one.rows(photos).to_pandas()
    assert one.adaptive.retries > 0
    pd.testing.assert_frame_equal(
        whole.drop(columns="change_map"), pieces.drop(columns="change_map"), rtol=1e-2
    )
    never = frame(loaded(Greedy(0)), photos)
    assert set(never.status) == {"out_of_memory"}
    assert len(never) == 15


def test_the_model_stays_as_it_was():
    model = prepared(tiny.net())
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    frame(model, batch(2))
    for name, value in model.module.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(p.grad is None and not p.requires_grad for p in model.module.parameters())
    assert not model.module.training
    assert not any(module._forward_hooks for module in model.module.modules())


def test_an_operation_without_a_derivative_is_told_in_one_line():
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx, images):
            return images.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise RuntimeError("derivative for mine is not implemented")

    class Model(nn.Module):
        def forward(self, images):
            return Broken.apply(images).mean((2, 3))[:, :2]

    with pytest.raises(ModelError, match=r"derivative for mine.*adversarial\.images=0"):
        frame(loaded(Model()), batch(1))


def test_what_lies_beyond_the_photo_stays_as_it_is():
    """A crop larger than the photo pads it with black, which is no part of the photo."""
    photos = batch(2)
    photos.photos[:, :, :6] = photos.photos[:, :, -6:] = 0
    small = replace(photos, records=[replace(record, height=20) for record in photos.records])
    found = (
        frame(loaded(Linear(WEIGHT, 0.1)), small, settings=Settings(60.0, 10, 0))
        .set_index("attack")
        .loc["pgd_l2"]
    )
    cells = np.asarray(found.change_map.iloc[0], float).reshape(28, 28)
    assert cells[:5].max() == 0
    assert cells[-5:].max() == 0
    assert cells[6:20].max() > 0


def test_norms_against_plain_sums():
    generator = torch.Generator().manual_seed(2)
    change = torch.randn(3, 3, 5, 4, generator=generator)
    plain = change.double().numpy().reshape(3, -1)
    np.testing.assert_allclose(LARGEST.size(change), np.abs(plain).max(1), rtol=1e-6)
    rms = np.sqrt((plain**2).mean(1))
    np.testing.assert_allclose(ROOT_MEAN_SQUARE.size(change), rms, rtol=1e-6)
    budget = torch.tensor([0.5, 1.0, 100.0])
    for norm in (LARGEST, ROOT_MEAN_SQUARE):
        near = norm.within(change, budget)
        assert (norm.size(near) <= budget * 1.00001).all()
        assert torch.equal(near[2], change[2])
        np.testing.assert_allclose(norm.size(norm.steepest_direction(change)), 1, rtol=1e-6)
        # No other change of size 1 lowers it more.
        steepest = (norm.steepest_direction(change) * change).flatten(1).sum(1)
        other = norm.steepest_direction(torch.randn(change.shape, generator=generator))
        assert (steepest < (other * change).flatten(1).sum(1)).all()
        assert norm.steepest_direction(torch.zeros_like(change)).abs().max() == 0
        faint = norm.steepest_direction(change * 1e-25)
        np.testing.assert_allclose(faint, norm.steepest_direction(change), rtol=1e-4)
    start = LARGEST.start(change, budget, [1, 2, 3])
    assert (LARGEST.size(start) <= budget).all()
    assert torch.equal(start[1:2], LARGEST.start(change[1:2], budget[1:2], [2]))


def test_the_margin_is_of_the_strongest_other():
    logits = torch.tensor([[1.0, 3.0, 2.5], [0.0, -1.0, 4.0]])
    assert margin(logits, torch.tensor([1, 0])).tolist() == [0.5, -4.0]


def test_the_gradient_is_by_pixels():
    """Against differences in float64: the normalisation's scale is in it."""
    model = loaded(Linear(WEIGHT, 0.1))
    decision = Decision(model, lambda: None)
    pixels = batch(1).photos.float()
    _, gradient = decision.slope(pixels, torch.tensor([1]))
    _, weight, _ = distances(batch(1), 0.1)
    np.testing.assert_allclose(gradient[0], weight, rtol=1e-5)
