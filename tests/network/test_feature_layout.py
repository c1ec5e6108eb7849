"""Tokens and channels-last outputs on their grid."""

from __future__ import annotations

import pytest
import torch

from xai_audit.network.feature_layout import LAST, MAP, Layout, as_map, layout_of


@pytest.mark.parametrize(
    ("shape", "side", "expected"),
    [
        ((1, 512, 7, 7), (224, 224), MAP),
        ((1, 512, 1, 1), (224, 224), None),
        ((1, 7, 7, 768), (224, 224), LAST),
        ((1, 7, 5, 768), (224, 160), LAST),
        ((1, 197, 768), (224, 224), Layout("tokens", 1, (14, 14))),
        ((1, 198, 192), (224, 224), Layout("tokens", 2, (14, 14))),
        ((1, 201, 384), (224, 224), Layout("tokens", 5, (14, 14))),
        ((1, 49, 768), (224, 224), Layout("tokens", 0, (7, 7))),
        ((1, 141, 64), (224, 160), Layout("tokens", 1, (14, 10))),
        ((1, 1, 64), (224, 224), None),
        ((1, 1000), (224, 224), None),
    ],
)
def test_layout(shape, side, expected):
    assert layout_of(shape, side) == expected


def test_each_patch_lands_where_it_was_cut():
    """Patches numbered row by row, behind two other tokens."""
    tokens = torch.arange(-2.0, 12)[None, :, None]
    assert as_map(tokens, Layout("tokens", 2, (3, 4)))[0, 0].tolist() == [
        [0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11],
    ]  # fmt: skip
    last = torch.randn(2, 3, 4, 5)
    assert torch.equal(as_map(last, LAST)[1, 4], last[1, :, :, 4])
    assert as_map(last, MAP) is last
