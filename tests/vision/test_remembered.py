"""Results that are kept are those of the same pixels, and no more of them than was said."""

from __future__ import annotations

import torch

from xai_audit.vision.remembered import remembered

KILOBYTE = 1024


def counting(most):
    calls = []

    @remembered(most)
    def doubled(photo, covered=None, *, depth=1.0):
        calls.append(depth)
        return photo * 2 if covered is None else photo * 2 + covered

    return doubled, calls


def test_the_same_pixels_are_computed_once_whatever_tensor_holds_them():
    doubled, calls = counting(100 * KILOBYTE)
    photo = torch.arange(48, dtype=torch.uint8).reshape(3, 4, 4)
    first, again = doubled(photo), doubled(photo.mT.contiguous().mT)
    assert torch.equal(first, photo * 2)
    assert again is first
    assert len(calls) == 1


def test_other_pixels_another_shape_another_dtype_or_another_value_are_computed():
    doubled, calls = counting(100 * KILOBYTE)
    photo = torch.zeros(3, 4, 4, dtype=torch.uint8)
    others = [photo.reshape(3, 2, 8), photo.reshape(3, 4, 4).to(torch.int8), photo + 1]
    found = [doubled(each) for each in (photo, *others)]
    assert [(each.shape, each.dtype) for each in found] == [
        (each.shape, each.dtype) for each in (photo, *others)
    ]
    assert torch.equal(doubled(photo, photo + 3), photo + 3)
    doubled(photo, depth=2.0)
    assert len(calls) == 6


def test_a_changed_tensor_is_not_taken_for_what_it_was():
    doubled, calls = counting(100 * KILOBYTE)
    photo = torch.zeros(3, 4, 4)
    doubled(photo)
    photo += 1
    assert float(doubled(photo).max()) == 2.0
    assert len(calls) == 2


def test_no_more_than_was_said_is_kept_and_what_was_used_last_stays():
    doubled, calls = counting(3 * KILOBYTE)
    photos = [torch.full((KILOBYTE,), float(value), dtype=torch.float32) for value in range(3)]
    photos = [photo[: KILOBYTE // 4] for photo in photos]  # 1 KiB of results each
    doubled(photos[0])
    doubled(photos[1])
    doubled(photos[0])
    doubled(photos[2])  # the second goes
    before = len(calls)
    doubled(photos[0])
    assert len(calls) == before
    doubled(photos[1])
    assert len(calls) == before + 1
