from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import v2

from xai_audit.types import Preprocess
from xai_audit.vision.geometry import view


@settings(deadline=None, max_examples=80)
@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    resize=st.one_of(
        st.none(), st.integers(8, 300), st.tuples(st.integers(8, 90), st.integers(8, 90))
    ),
    crop=st.tuples(st.integers(1, 260), st.integers(1, 260)),
)
def test_is_where_torchvision_puts_the_pixels(height, width, resize, crop):
    geometry = view((height, width), Preprocess(resize=resize, crop=crop))
    image = torch.zeros(1, height, width, dtype=torch.uint8)
    resized = (
        image
        if resize is None
        else v2.functional.resize(image, [resize] if isinstance(resize, int) else list(resize))
    )
    assert geometry.resized == tuple(resized.shape[1:])
    # Every pixel of the resized photo is its own number; the crop must start where we say.
    numbers = torch.arange(1, resized[0].numel() + 1).reshape(resized.shape).to(torch.int32)
    cropped = v2.functional.center_crop(numbers, list(crop))[0]
    y, x = max(geometry.top, 0), max(geometry.left, 0)
    assert int(cropped[y - geometry.top, x - geometry.left]) == int(numbers[0, y, x])


def test_a_point_of_the_photo_in_the_view():
    geometry = view((300, 500), Preprocess())
    assert geometry.to_view(150, 250) == (112.0, 112.0)
    y, x = geometry.to_view(20, 30)
    # Back by hand: the crop's start added, the resizing undone.
    back = (y + geometry.top) * 300 / geometry.resized[0], (x + geometry.left) * 500 / 426
    assert geometry.resized == (256, 426)
    assert back == pytest.approx((20.0, 30.0))
