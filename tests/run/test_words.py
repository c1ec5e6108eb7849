from __future__ import annotations

import pytest

from xai_audit.run.verdicts import cue_words
from xai_audit.schema import REGIONS


@pytest.mark.parametrize(
    ("cue", "words"),
    [
        ("corner_bottom_left", "bottom left corner"),
        ("corner_top_left", "top left corner"),
        ("border", "border"),
        ("colour", "colour cast"),
        ("jpeg_quality", "JPEG quality"),
        ("aspect_ratio", "aspect ratio"),
        ("file", "file metadata"),
        ("all", "all cues at once"),
        ("cluster_3", "discovered region 3"),
        ("my_own_cue", "my own cue"),
        ("my.package:ruler", "ruler"),
        ("my.package.Ruler", "Ruler"),
    ],
)
def test_a_cue_in_plain_words(cue, words):
    assert cue_words(cue) == words


def test_every_region_has_its_words():
    assert cue_words("corner_top_right") == "top right corner"
    assert len({*map(cue_words, REGIONS)}) == len(REGIONS)
