from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from xai_audit.cues._strips import blended, overlap, resampling


def test_overlap_is_the_shared_length():
    assert overlap(4, 0.5, 2.25).tolist() == [0.5, 1.0, 0.25, 0.0]


def test_one_piece_is_the_antialiased_bilinear_of_torch():
    line = torch.rand(1, 1, 1, 40, generator=torch.Generator().manual_seed(0))
    for size in (13, 40, 77):
        expected = F.interpolate(line, size=(1, size), mode="bilinear", antialias=True)[0, 0, 0]
        got = resampling(size, [0, size], 40, [0, 40]) @ line[0, 0, 0]
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


def test_each_piece_takes_from_its_counterpart_alone():
    source = torch.tensor([1.0] * 3 + [2.0] * 11 + [3.0] * 4)
    got = resampling(30, [0, 5, 28, 30], 18, [0, 3, 14, 18]) @ source
    assert got.tolist() == [1.0] * 5 + [2.0] * 23 + [3.0] * 2


def test_equal_cuts_change_nothing_even_inside_a_pixel():
    cuts = [0.0, 3.3, 16.6, 20.0]
    torch.testing.assert_close(resampling(20, cuts, 20, cuts), torch.eye(20))


def test_blending_leaves_what_has_no_share_alone():
    photo = torch.arange(12, dtype=torch.uint8).reshape(3, 2, 2)
    share = torch.tensor([[0.0, 0.5], [1.0, 0.0]])
    got = blended(photo, torch.full((3, 2, 2), 101.0), share)
    expected = np.rint(photo.numpy() * (1 - share.numpy()) + 101 * share.numpy())
    assert got.dtype == torch.uint8
    np.testing.assert_allclose(got.numpy(), expected)
