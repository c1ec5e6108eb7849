"""Mixed photos keep their objects, and what surrounds these tells the class no longer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chi2_contingency

from xai_audit.errors import ConfigError
from xai_audit.mixing import emptied, mixed, recoloured

SIDE = 40


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def disc() -> torch.Tensor:
    """(1, H, W) 1 in the middle."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    return (((y - 20) ** 2 + (x - 20) ** 2) < 64).float()[None]


def flowers(labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Photos whose object is 100 + class and whose surroundings, all of them, are the class."""
    objects = disc().expand(len(labels), 1, SIDE, SIDE)
    value = labels.float()[:, None, None, None]
    return (value + 100.0 * objects).expand(-1, 3, -1, -1).clone(), objects


def test_the_object_stays_and_its_surroundings_are_those_of_any_class():
    labels = torch.arange(4).repeat_interleave(100)
    photos, objects = flowers(labels)
    given = photos.clone()
    out = mixed(photos, objects, rng=rng())
    assert torch.equal(photos, given)
    assert out.shape == photos.shape
    inside = objects[0, 0] > 0
    assert torch.equal(out[..., inside], photos[..., inside])
    # Oracle: at any place off the object, all that is seen is a class, and it is independent of
    # the photo's own: no place's chi-squared test against independence sees anything.
    for y, x in ((0, 0), (0, 20), (20, 1), (39, 39), (20, 8), (8, 20)):
        seen = out[:, 0, y, x].round().long()
        assert torch.allclose(out[:, 0, y, x], seen.float(), atol=1e-3)
        table = np.zeros((4, 4))
        np.add.at(table, (labels.numpy(), seen.numpy()), 1)
        assert chi2_contingency(table).pvalue > 1e-3, (y, x)


def test_share_0_leaves_photos_as_they_are_and_some_of_a_share_stay():
    labels = torch.arange(4).repeat_interleave(50)
    photos, objects = flowers(labels)
    assert torch.equal(mixed(photos, objects, rng=rng(), share=0.0), photos)
    half = mixed(photos, objects, rng=rng(), share=0.5)
    own = (half[:, 0, 20, 8] - labels).abs() < 1e-3
    assert own.float().mean() == pytest.approx(0.5 + 0.5 / 4, abs=0.12)


def test_without_masks_border_and_corners_change_and_the_middle_does_not():
    photos = torch.arange(64.0)[:, None, None, None].expand(-1, 3, SIDE, SIDE)
    out = mixed(photos, rng=rng(), border=(0.1, 0.1), corner=(0.25, 0.25))
    middle = out[..., 10:30, 4:36]
    assert torch.equal(middle, photos[..., 10:30, 4:36])
    assert (out[:, 0, :4, 20] != photos[:, 0, :4, 20]).float().mean() > 0.9
    corners = [out[:, 0, y, x] for y in (5, 34) for x in (5, 34)]  # behind the border
    assert all((each != photos[:, 0, 5, 5]).float().mean() > 0.9 for each in corners)
    assert not any(torch.equal(corners[0], other) for other in corners[1:])


def test_a_cast_changes_channels_as_wholes():
    photos, _ = flowers(torch.zeros(200).long())
    out = recoloured(photos + 1.0, rng=rng(), spread=0.1)
    ratio = (out / (photos + 1.0)).flatten(2)
    assert torch.allclose(ratio.amin(2), ratio.amax(2), atol=1e-5)
    assert ratio.std().item() == pytest.approx(0.1, abs=0.01)


def test_what_was_object_is_filled_with_what_surrounds_it():
    y = torch.arange(SIDE).float().view(1, 1, SIDE, 1)
    photos = (10.0 + y).expand(2, 3, SIDE, SIDE).clone()
    objects = torch.stack([disc(), torch.ones(1, SIDE, SIDE)])
    holed = torch.where(objects > 0, 255.0, photos)
    filled = emptied(holed, objects)
    outside = torch.nn.functional.max_pool2d(objects, 3, 1, 1)[0, 0] == 0
    assert torch.equal(filled[0][:, outside], photos[0][:, outside])
    assert (filled[0] - photos[0]).abs().max() < 8  # of a ramp that rises by 16 across the hole
    assert torch.equal(filled[1], holed[1])  # nothing of it is known


def test_same_rng_same_photos():
    photos, objects = flowers(torch.arange(8))
    one, again, other = (mixed(photos, objects, rng=rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_masks_of_255_are_one_line():
    photos, objects = flowers(torch.arange(2))
    with pytest.raises(ConfigError, match=r"0 to 255 \| remedy: divide masks of 0 and 255 by 255"):
        mixed(photos, 255 * objects, rng=rng())
