from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.cues.canvases import auroc, canvas, painted, shape, texture
from xai_audit.cues import _fill
from xai_audit.cues._fill import averaged, cleared, filled, grown, halo, halved

SIZE = (64, 80)


def hole(kind, radius=0.3, size=SIZE):
    return torch.from_numpy(shape(size, kind, radius=radius))


def test_grown_is_the_square_neighbourhood():
    mask = torch.rand(23, 31, generator=torch.Generator().manual_seed(0)) > 0.98
    for radius in (0, 1, 2, 5, 8, 40):
        window = 2 * radius + 1
        expected = torch.nn.functional.max_pool2d(
            torch.nn.functional.pad(mask.float()[None], [radius] * 4), window, stride=1
        )[0]
        assert torch.equal(grown(mask, radius), expected > 0)
    assert halo((mask * 255).to(torch.uint8)).equal(grown(mask, 2))


def test_averaging_keeps_what_is_known_and_stays_between():
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(3, 37, 50, generator=generator)
    known = torch.rand(37, 50, generator=generator) > 0.9
    got = averaged(image, known.float())
    torch.testing.assert_close(got[:, known], image[:, known])
    assert got.min() >= image[:, known].min() - 1e-5
    assert got.max() <= image[:, known].max() + 1e-5
    flat = averaged(torch.full((3, 37, 50), 0.3), known.float())
    torch.testing.assert_close(flat, torch.full((3, 37, 50), 0.3))


def test_outside_of_the_hole_and_one_pixel_nothing_changes():
    photo = torch.from_numpy(texture(np.random.default_rng(0), SIZE))
    kept = photo.clone()
    for kind in ("disc", "star", "square"):
        got = filled(photo, hole(kind))
        outside = ~grown(hole(kind), 1)
        assert torch.equal(got[:, outside], photo[:, outside])
    assert torch.equal(photo, kept)
    assert torch.equal(filled(photo, torch.zeros(SIZE, dtype=torch.bool)), photo)


def test_what_is_under_the_hole_cannot_matter():
    rng = np.random.default_rng(1)
    photo = torch.from_numpy(texture(rng, SIZE))
    other = photo.clone()
    other[:, hole("star")] = torch.from_numpy(rng.integers(0, 256, (3, 1), dtype=np.uint8))
    assert torch.equal(filled(photo, hole("star")), filled(other, hole("star")))


def test_a_periodic_texture_is_continued():
    y, x = np.mgrid[:128, :160]
    pattern = 120 + 60 * np.sin(y * np.pi / 8) * np.sin(x * np.pi / 8)
    photo = torch.from_numpy(np.repeat(pattern[None], 3, 0).astype(np.uint8))
    gap = hole("disc", 0.2, (128, 160))
    wrong = (filled(photo, gap).float() - photo.float())[:, gap]
    assert wrong.abs().mean() < 3


def test_texture_inside_is_as_rough_as_outside():
    gap = hole("disc", 0.25, (128, 160))
    inner = ~grown(~gap, 6)
    for seed in range(4):
        photo = torch.from_numpy(texture(np.random.default_rng(seed), (128, 160)))
        got = filled(photo, gap).float()
        steps = (got[:, :, 1:] - got[:, :, :-1]).abs().mean(0)
        inside, outside = steps[inner[:, 1:]].mean(), steps[~gap[:, 1:]].mean()
        assert inside / outside == pytest.approx(1, abs=0.25)


def test_specks_that_cells_hardly_see_do_not_keep_texture_from_the_hole():
    # The photo where it is would cover every speck and match perfectly, by cells.
    gap = hole("disc", 0.12, (128, 160))
    specks = gap.clone()
    for y, x in ((3, 3), (3, 4), (4, 3), (4, 4)):
        specks[y::8, x::8] = True
    photo = torch.from_numpy(texture(np.random.default_rng(0), (128, 160)))
    got = filled(photo, specks).float()
    steps = (got[:, :, 1:] - got[:, :, :-1]).abs().mean(0)
    inside, outside = steps[gap[:, 1:]].mean(), steps[~gap[:, 1:]].mean()
    assert inside / outside > 0.8


def test_the_outline_cannot_be_read_from_what_is_filled():
    pixels, edges, labels = [], [], []
    for number in range(240):
        rng = np.random.default_rng(number)
        # Nearly the same area, so that it is the outline that has to be read.
        kind, radius = (("disc", 0.34), ("square", 0.30))[number % 2]
        photo, mask = painted(rng, (128, 160), shape((128, 160), kind, radius=radius))
        for photos, read in ((pixels, lightness), (edges, steepness)):
            before, after = torch.from_numpy(photo), cleared(canvas(photo, mask))
            photos.append((read(before).numpy(), read(after).numpy()))
        labels.append(number % 2)
    pixels, edges = np.array(pixels), np.array(edges)
    assert auroc(pixels[:, 0], labels) > 0.65
    assert auroc(edges[:, 0], labels) > 0.98
    assert auroc(pixels[:, 1], labels) < 0.6
    # Told the strength of each gradient, nothing else differs: the hardest of readers.
    assert auroc(edges[:, 1], labels) < 0.7


def lightness(photo):
    return torch.nn.functional.adaptive_avg_pool2d(photo.float().mean(0)[None], (16, 20)).flatten()


def steepness(photo):
    grey = photo.float().mean(0)
    edges = (grey[1:, 1:] - grey[1:, :-1]).abs() + (grey[1:, 1:] - grey[:-1, 1:]).abs()
    return torch.nn.functional.adaptive_avg_pool2d(edges[None], (16, 20)).flatten()


def test_a_hole_without_surroundings_is_grey():
    photo = torch.from_numpy(texture(np.random.default_rng(0), SIZE))
    got = filled(photo, torch.ones(SIZE, dtype=torch.bool))
    assert got.unique().numel() == 1
    assert 100 < int(got[0, 0, 0]) < 140


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (8, 64), (300, 9)])
def test_odd_sizes(size):
    photo = torch.full((3, *size), 90, dtype=torch.uint8)
    gap = torch.zeros(size, dtype=torch.bool)
    gap[: size[0] // 2 + 1, : size[1] // 2] = True
    assert torch.equal(filled(photo, gap), photo)


def test_a_region_is_filled_from_its_own_content():
    photo = torch.full((3, *SIZE), 200, dtype=torch.uint8)
    region = torch.zeros(SIZE)
    region[:12] = 1
    photo[:, :12] = 50
    object_ = np.zeros(SIZE, bool)
    object_[4:40, 30:50] = True
    photo[:, torch.from_numpy(object_)] = 255
    one = canvas(photo.numpy(), object_)
    got = cleared(one, region)
    assert (got[:, :12] == 50).all()
    # Outside of the region the object is nobody's concern.
    assert torch.equal(got[:, 12:], photo[:, 12:])
    # Nothing of the region is free: what else there is.
    object_[:12] = True
    got = cleared(canvas(photo.numpy(), object_), region)
    assert (got[:, :8] == 200).all()


def test_without_a_mask_or_an_object_in_the_region_the_photo_is_as_it_was():
    photo = texture(np.random.default_rng(0), SIZE)
    assert torch.equal(cleared(canvas(photo)), torch.from_numpy(photo))
    one = canvas(photo, hole("disc", 0.1).numpy())
    region = torch.zeros(SIZE)
    region[:10] = 1
    assert torch.equal(cleared(one, region), torch.from_numpy(photo))


def test_half_the_size_keeps_means_and_all_of_the_object():
    photo = texture(np.random.default_rng(0), (31, 40))
    object_ = np.zeros((31, 40), bool)
    object_[7, 9] = True
    small = halved(canvas(photo, object_))
    assert small.photo.shape == (3, 16, 20)
    assert float(small.photo[1, 3, 4]) == pytest.approx(photo[1, 6:8, 8:10].mean(), abs=0.51)
    assert small.object.nonzero().tolist() == [[3, 4]]


def test_a_donor_is_filled_once_and_again_where_any_of_its_pixels_differ(monkeypatch):
    filling = []
    monkeypatch.setattr(_fill, "filled", lambda *a, **k: filling.append(1) or filled(*a, **k))
    donor = canvas(np.random.default_rng(7).integers(0, 256, (3, *SIZE)), hole("disc"))
    first = cleared(donor)
    assert cleared(donor) is first
    assert len(filling) == 1
    inverted = replace(donor, photo=255 - donor.photo)
    moved = replace(donor, object=donor.object.roll(9, 1))
    for other in (inverted, moved):
        assert torch.equal(cleared(other), filled(other.photo, halo(other.object)))
    assert len(filling) == 3
