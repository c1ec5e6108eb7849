"""The bench of intervals on tables made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import brentq

from tests.bench import coverage, intervals
from tests.bench.planted import scenarios

pytestmark = pytest.mark.slow  # of the benches, not of the package


def told(whole: list[float]) -> pd.DataFrame:
    count = len(whole)
    return pd.DataFrame(
        {"reliance_low": [0.1] * count, "reliance_high": [0.3] * count, "whole": whole}
    )


@pytest.mark.parametrize(
    ("inside", "above", "below", "met"),
    [(95, 3, 2, True), (92, 4, 4, False), (98, 2, 0, False), (93, 0, 7, True)],
)
def test_the_share_that_holds_the_value(inside, above, below, met):
    row = intervals._row("x", told([0.2] * inside + [0.4] * above + [0.0] * below), quick=False)
    assert row.met == met
    assert row.measured == (
        f"{inside / 100:.3f} (value above {above / 100:.3f}, below {below / 100:.3f})"
    )


def test_pieces_are_disjoint_and_together_the_whole(tmp_path):
    for label in ("a", "b"):
        (tmp_path / "images" / label).mkdir(parents=True)
        for number in range(6):
            (tmp_path / "images" / label / f"{number}.jpg").write_bytes(b"x")
    found = [intervals.piece(tmp_path, number, 3) for number in range(3)]
    names = [{str(f.relative_to(p)) for f in p.rglob("*.jpg")} for p in found]
    assert [len(one) for one in names] == [4, 4, 4]
    assert len(set.union(*names)) == 12
    assert intervals.piece(tmp_path, 0, 3) == found[0]  # again, over what stands


def test_the_large_scenarios_are_rendered_and_their_own():
    large = scenarios.large()
    others = [*scenarios.twins(), *scenarios.decoys(), *scenarios.controls()]
    assert len({s.seed for s in large}) == len(large)
    assert {s.seed for s in large}.isdisjoint(s.seed for s in others)
    assert all(s.source == "rendered" and s.twin for s in large)


def test_the_intervals_to_compare_with_are_the_textbooks():
    samples = np.random.default_rng(0).exponential(1, (5, 12))
    student, hall, bca = (
        np.array(coverage.INTERVALS[name](samples)).T for name in ("Student", "Hall", "BCa")
    )
    q = stats.t.ppf(0.975, 11)
    for row, sample in enumerate(samples):
        mean, error = sample.mean(), stats.sem(sample)
        assert student[row] == pytest.approx(stats.t.interval(0.95, 11, mean, error))
        a = stats.skew(sample) / np.sqrt(12)
        ends = [
            brentq(lambda t: t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6 - side, -40, 40)  # noqa: B023
            for side in (q, -q)
        ]
        assert hall[row] == pytest.approx([mean - end * error for end in ends])
    assert (bca[:, 0] < samples.mean(1)).all()
    assert (samples.mean(1) < bca[:, 1]).all()
    same = np.full((1, 8), 0.25)
    assert np.ravel(coverage.INTERVALS["BCa"](same)) == pytest.approx([0.25, 0.25])


@pytest.mark.slow
def test_coverage_is_measured_for_every_size_and_interval():
    rows = coverage.run(Path(), quick=True)
    assert len(rows) == len(coverage.SIZES) * (len(coverage.INTERVALS) + len(coverage._RARE))
    assert [row.bound for row in rows[:4]] == ["0.93 to 0.97", "-", "-", "-"]
