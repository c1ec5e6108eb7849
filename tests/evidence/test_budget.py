"""The budget of forwards: who is served first, what it leaves, and that a larger one only adds."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from tests import tiny
from xai_audit.evidence.budget import SHARES, affordable, allotted, in_order, share, within
from xai_audit.evidence.cells import ALL
from xai_audit.evidence.plan import OWN, Cell, Pair
from xai_audit.schema import PULL, RELIANCE

_STAGES = "stages=[index,attribute,score,evidence]"
_WORTH = {("a", "border"): 0.9, ("b", "border"): 0.1, ("a", "colour"): 0.5}
_COUNTS = {
    ("b", "border"): [20, 8, 0, 4],
    ("a", "border"): [24, 0, 0, 24],
    ("a", "colour"): [0, 3, 0, 0],
    ("a", "file"): [0, 0, 0, 0],
    ("a", ALL): [5, 5, 0, 0],
}


def test_the_most_telling_cell_is_first_and_all_cues_at_once_last():
    assert in_order([*_COUNTS], {("a", ALL): 1.0, **_WORTH}) == [
        ("a", "border"), ("a", "colour"), ("b", "border"), ("a", "file"), ("a", ALL),
    ]  # fmt: skip


def test_every_cell_has_its_first_pairs_before_any_has_more():
    first = {("a", "border"): [8, 0, 0, 0], ("a", "colour"): [0, 3, 0, 0]}
    first |= {("b", "border"): [8, 8, 0, 0], ("a", "file"): [0] * 4, ("a", ALL): [5, 5, 0, 0]}
    pairs = sum(map(sum, first.values()))
    assert allotted(_COUNTS, _WORTH, 2 * pairs) == first
    more = allotted(_COUNTS, _WORTH, 2 * (pairs + 16))
    assert more == first | {("a", "border"): [16, 0, 0, 8]}


@pytest.mark.parametrize("seed", range(5))
def test_a_larger_budget_only_adds_and_none_is_exceeded(seed):
    rng = np.random.default_rng(seed)
    counts = {(f"c{n}", "border"): rng.integers(0, 40, 4).tolist() for n in range(12)}
    worth = {name: float(rng.random()) for name in counts}
    whole = 2 * sum(map(sum, counts.values()))
    before = {name: [0] * 4 for name in counts}
    for forwards in range(0, whole + 2, 7):
        found = allotted(counts, worth, forwards)
        assert 2 * sum(map(sum, found.values())) <= forwards
        for name, pairs in found.items():
            assert all(a <= b for a, b in zip(before[name], pairs, strict=True))
        before = found
    assert allotted(counts, worth, whole) == counts


def test_what_is_affordable_is_a_prefix_of_the_order():
    costs = {("a", "border"): 10, ("a", "colour"): 30, ("b", "border"): 1}
    assert affordable(costs, _WORTH, 39) == {("a", "border")}
    assert affordable(costs, _WORTH, 41) == {*costs}


def test_the_shares_are_no_more_than_the_whole():
    assert sum(SHARES.values()) == 1
    assert sum(share(stage, 1001) for stage in SHARES) <= 1001


def test_a_cell_says_what_the_budget_did_not_reach():
    def pairs(question: str) -> tuple[Pair, ...]:
        return tuple(Pair("a", "border", question, str(n), "x", "y") for n in range(10))

    cell = Cell("a", "border", OWN, pairs(RELIANCE), pairs(PULL), wanted=10)
    some = within(cell, [8, 0, 0, 0], 100)
    assert (some.reliance, some.pull, some.left, some.why) == (cell.reliance[:8], (), 24, None)
    none = within(cell, [0] * 4, 100)
    assert (none.pairs, none.left, none.wanted) == ((), 40, 10)
    assert none.why == (
        "the budget of 100 forwards was spent before; 40 are needed for it (evidence.max_forwards)"
    )


@pytest.fixture(scope="module")
def audits(tmp_path_factory):
    """Budget -> the output folder of an audit with it."""
    root = tiny.make_folder(tmp_path_factory.mktemp("photos"), 8)
    found = {}
    for budget in ("60", "200", "null"):
        out = tmp_path_factory.mktemp("out") / budget
        more = [_STAGES, "cues=[border,colour]", "evidence.sequential=false"]
        done = tiny.audit(tiny.overrides(root, out, *more, f"evidence.max_forwards={budget}"))
        assert done.returncode == 0, done.stderr
        found[budget] = out
    return found


def _pairs(out):
    rows = pd.read_parquet(out / "transplants")
    columns = ["class_name", "cue", "question", "given", "image_id", "donor_with", "donor_without"]
    return {*rows[columns].fillna("").itertuples(index=False, name=None)}


@pytest.mark.xdist_group("budget")  # they share three runs
def test_forwards_stay_within_the_budget_and_pairs_only_grow(audits):
    spent = {
        budget: json.loads((out / "run.json").read_text())["evidence"]["forwards"]
        for budget, out in audits.items()
    }
    assert 0 < spent["60"] <= 60
    assert spent["60"] < spent["200"] < spent["null"]
    assert spent["200"] <= 200
    assert _pairs(audits["60"]) < _pairs(audits["200"]) < _pairs(audits["null"])


@pytest.mark.xdist_group("budget")  # they share three runs
def test_what_was_not_reached_is_undetermined_and_says_so(audits):
    rows = pd.read_parquet(audits["60"] / "evidence.parquet")
    told = rows[rows["because"].str.contains("the budget of 60 forwards was spent before")]
    assert len(told) >= 2
    assert {*told["verdict"]} == {"undetermined"}
    assert told["n_images"].eq(0).all()
    whole = pd.read_parquet(audits["null"] / "evidence.parquet")
    assert not whole["because"].str.contains("budget").any()
