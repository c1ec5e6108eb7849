"""Samples by seed and image id: the same for any order, and the same as ever."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from xai_audit.evidence.donors import sample
from xai_audit.run.sample import drawn, hash_order, per_class
from xai_audit.run.verdicts import preferred_kind, preferred_kinds

IDS = [f"{name}/{number}.jpg" for number in range(30) for name in ("daisy", "rose", "tulip")]
CLASSES = [image_id.split("/")[0] for image_id in IDS]


def rank(seed, image_id):
    """Written out: what decides a draw must not change, or every audit draws other photos."""
    return hashlib.blake2b(f"{seed}/{image_id}".encode(), digest_size=8).digest()


def lowest(seed, most):
    chosen = set()
    for name in {*CLASSES}:
        mine = sorted((i for i in IDS if i.startswith(name)), key=lambda i: rank(seed, i))
        chosen |= {*mine[:most]}
    return chosen


def frame(order=slice(None)):
    table = pd.DataFrame({"image_id": IDS, "class_name": CLASSES, "size": range(len(IDS))})
    return table.iloc[order]


@pytest.mark.parametrize("seed", [0, 7])
def test_per_class_takes_the_lowest_ranks_of_every_class(seed):
    found = per_class([frame()], 4, seed)
    assert {*found["image_id"]} == lowest(seed, 4)
    assert list(found["image_id"]) == sorted(found["image_id"])
    assert list(found.columns) == ["image_id", "class_name", "size"]
    assert len(per_class([frame()], 99, seed)) == len(IDS)


def test_per_class_ignores_order_frames_repeats_and_rows_without_a_class():
    whole = per_class([frame()], 4, 0)
    shuffled = frame(np.random.default_rng(0).permutation(len(IDS)))
    stray = pd.DataFrame({"image_id": ["stray.jpg"], "class_name": [None], "size": [0]})
    pieces = [shuffled[:11], stray, shuffled[11:50], shuffled[:20], shuffled[50:]]
    found = per_class(iter(pieces), 4, 0)
    pd.testing.assert_frame_equal(found, whole, check_dtype=False)
    assert len(per_class([], 4, 0)) == 0
    assert len(per_class([stray], 4, 0)) == 0


def test_evidence_reads_the_lowest_ranks_of_every_class():
    rows = sample(IDS, CLASSES, per_class=5, seed=3)
    assert rows == sorted(rows)
    assert {IDS[row] for row in rows} == lowest(3, 5)
    # Many classes share what may be read, down to 12 each.
    many = [f"{number % 4000}" for number in range(4000 * 13)]
    ids = [f"{name}/{number}" for number, name in enumerate(many)]
    assert len(sample(ids, many, per_class=400, seed=0)) == 4000 * 12
    assert sample([], [], per_class=3, seed=0) == []


def test_trust_draws_each_class_its_share_of_the_lowest_ranks():
    rows = pa.table({"image_id": IDS, "class_name": CLASSES, "status": ["ok"] * len(IDS)})
    found = drawn(rows, 6, 3).column("image_id").to_pylist()
    assert {*found} == lowest(3, 2)
    assert found == [image_id for image_id in IDS if image_id in lowest(3, 2)]


def test_hash_order_is_that_of_the_text_and_takes_what_is_none():
    assert hash_order(3, "a", "b") == int.from_bytes(rank(3, "a/b"))
    assert hash_order(0, "\udc80.jpg") != hash_order(0, "\udc81.jpg")


def test_preferred_kind_is_the_margin_then_the_label_then_the_prediction():
    assert preferred_kind(["pred", "label", "contrast"]) == "contrast"
    assert preferred_kind({"rose", "pred"}) == "pred"
    assert preferred_kind(iter(["rose"])) is None
    pairs = [("b", "pred"), ("a", "tulip"), ("b", "label"), ("a", "rose"), ("b", "pred")]
    assert preferred_kinds(pd.DataFrame(pairs, columns=["method", "target_kind"])) == {
        "a": "rose",
        "b": "label",
    }
