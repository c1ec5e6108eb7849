"""A corner that the model's crop cuts off is said to be cut off, not to be too few photos."""

from __future__ import annotations

import numpy as np
import pandas as pd
from PIL import Image

from tests import tiny

WIDE = (64, 256)  # a centre crop of it has neither of its ends


def test_a_corner_outside_the_crop_is_told(tmp_path):
    rng = np.random.default_rng(0)
    for kind in tiny.CLASSES:
        place = tmp_path / "images" / kind
        place.mkdir(parents=True)
        for number in range(8):
            # Of the circles all are wide, of the squares three, of the stripes none.
            wide = {"circle": 8, "square": 3, "stripes": 0}[kind] > number
            pixels, _ = tiny.photo(rng, kind, WIDE if wide else (96, 96))
            Image.fromarray(pixels).save(place / f"{number}.png")
    out = tmp_path / "out"
    more = ("cues=[border,corner_top_left]", "stages=[index,attribute,score,evidence]")
    given = [each for each in tiny.overrides(tmp_path, out, *more) if not each.startswith("masks")]
    done = tiny.audit(given)
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(out / "evidence.parquet").set_index(["class_name", "cue"])
    for name, usable, cut in (("circle", 0, 8), ("square", 5, 3)):
        corner = table.loc[(name, "corner_top_left")]
        crop = f"(the model's crop leaves this cue out of {cut} of 8)"
        found = f"{usable} usable photos of this class {crop}; 6 are needed."
        assert corner["verdict"] == "undetermined"
        assert f"could not be measured: {found}" in corner["because"]
    whole = table.drop([("circle", "corner_top_left"), ("square", "corner_top_left")])
    assert not whole["because"].str.contains("crop").any()
