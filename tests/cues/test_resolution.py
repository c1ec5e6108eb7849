from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from tests.cues import property_canvases as made
from xai_audit.cues.resolution import Resolution

CUE = Resolution(name="resolution")


def enlarged(pixels: np.ndarray, share: float) -> np.ndarray:
    """As the model's resize shows a photo that was stored at ``share`` of the canvas."""
    photo = made.canvas(pixels).photo
    small = functional.resize(photo, [round(side * share) for side in photo.shape[1:]])
    return made.array(functional.resize(small, list(photo.shape[1:]))).astype(np.uint8)


@pytest.mark.parametrize(
    ("stored", "level"), [((120, 160), 1), ((1200, 1600), 1), ((30, 40), 0.25), ((40, 30), 0.25)]
)
def test_level_is_the_stored_share_of_the_canvas(stored, level):
    assert CUE.level(made.canvas(made.textured(), stored=stored)) == level


def test_descriptor_is_the_log2_of_the_level():
    photo = made.canvas(made.textured(), stored=(30, 40))
    np.testing.assert_array_equal(CUE.descriptors(photo), [-2, 0, 1, 0, 0, 0, 0])


def test_transplant_is_down_and_up():
    pixels = made.textured()
    donor = made.canvas(enlarged(pixels, 0.25), stored=(30, 40))
    photo = made.canvas(pixels)
    assert np.abs(made.array(CUE.transplant(photo, donor)) - enlarged(pixels, 0.25)).max() <= 1
    assert np.abs(pixels.astype(int) - enlarged(pixels, 0.25)).max() > 10


def test_detail_is_never_added():
    coarse = made.canvas(enlarged(made.textured(), 0.25), stored=(30, 40))
    for stored in ((30, 40), (60, 80), (1200, 1600)):
        other = made.canvas(made.textured(), stored=stored)
        assert torch.equal(CUE.transplant(coarse, other), coarse.photo)
