"""Tables made of transplants written by hand."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xai_audit.evidence.cell_rows import shares_left
from xai_audit.evidence.columns import EFFECTS
from xai_audit.evidence.plan import OTHERS, OWN
from xai_audit.evidence.summary import summary_table
from xai_audit.schema import PULL, RELIANCE


def pair(image, p_with, p_without, **changes):
    row = {
        "class_name": "a", "cue": "border", "question": RELIANCE, "given": None,
        "image_id": f"{image}.jpg", "image_class": "a", "donor_with": "d.jpg",
        "donor_without": "e.jpg", "p_with": p_with, "p_without": p_without,
        "correct_with": p_with > 0.5, "correct_without": p_without > 0.5,
    }  # fmt: skip
    return row | changes


def test_what_is_left_is_a_share_of_the_same_pairs_effect():
    # The first six photos show an effect of 0.8, the others none.
    plain = [pair(n, 0.9, 0.1 if n < 6 else 0.9) for n in range(24)]
    put_back = [pair(n, 0.9, 0.7, given="background") for n in range(6)]
    found = shares_left(pd.DataFrame(put_back), pd.DataFrame(plain), least=6)
    assert found == {("a", "border", "background"): pytest.approx(0.25)}  # not 0.2 / 0.2
    # Too few, or no effect on those photos: nothing is said.
    assert shares_left(pd.DataFrame(put_back[:5]), pd.DataFrame(plain), least=6) == {}
    none = [pair(n, 0.9, 0.9, given="background") for n in range(6, 12)]
    assert shares_left(pd.DataFrame(none), pd.DataFrame(plain), least=6) == {}
    failed = [row | {"p_with": np.nan} for row in put_back]
    assert shares_left(pd.DataFrame(failed), pd.DataFrame(plain), least=6) == {}


def summary(rows, measured_on):
    effects = [
        {"class_name": name, "cue": cue, "measured_on": on}
        for (name, cue), on in measured_on.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "part-00000.parquet"
        pq.write_table(pa.Table.from_pylist(effects, schema=EFFECTS), file)
        return summary_table(pd.DataFrame(rows), [file]).to_pandas().set_index("cue")


def test_accuracy_with_and_without_the_cue_of_the_own_class():
    rows = [pair(n, 0.9, 0.1 if n < 3 else 0.9) for n in range(4)]
    rows += [pair(9, 0.1, 0.9, question=PULL, image_class="b")]  # no accuracy of the own cue
    found = summary(rows, {("a", "border"): OWN}).loc["border"]
    assert (found.n_images, found.accuracy_with, found.accuracy_without) == (4, 1.0, 0.25)
    assert (found.gap, found.worst_class, found.worst_gap) == (0.75, "a", 0.75)


def test_an_image_counts_once_however_many_classes_ask_it():
    lost = {"question": PULL, "cue": "sharpness", "image_class": "c"}
    # Photo 1 of class c gets the blur of a, then of b, and is right only with its own.
    rows = [pair(1, 0.1, 0.9, class_name=name, **lost) for name in "ab"]
    rows += [pair(2, 0.9, 0.9, class_name="a", **lost)]
    # A class that has not lost it is asked on its own photos, and counts as well.
    rows += [pair(3, 0.9, 0.1, cue="sharpness", class_name="d", image_class="d")]
    on = {("a", "sharpness"): OTHERS, ("b", "sharpness"): OTHERS, ("d", "sharpness"): OWN}
    found = summary(rows, on).loc["sharpness"]
    assert found.n_images == 3
    assert found.accuracy_with == 1.0
    assert found.accuracy_without == pytest.approx(1 / 3)
    assert found.worst_class == "d"


def test_a_discovered_region_of_one_class_is_not_that_of_another():
    rows = [pair(1, 0.9, 0.1), pair(2, 0.9, 0.1, cue="cluster_1")]
    assert list(summary(rows, {("a", "border"): OWN, ("a", "cluster_1"): OWN}).index) == ["border"]
