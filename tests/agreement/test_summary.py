from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.agreement.rows import compare, row, run_of, write
from xai_audit.agreement.compare import drawn
from xai_audit.agreement.summary import agreement_table
from xai_audit.schema import AGREEMENT


def summed(paths, chosen=None) -> pd.DataFrame:
    ids = {*pd.read_parquet(paths.attributions).image_id} if chosen is None else chosen
    compare(paths, ids)
    table = agreement_table(paths)
    assert table.schema.equals(AGREEMENT, check_metadata=False)
    return table.to_pandas()


def test_means_and_intervals_are_those_of_the_images(tmp_path):
    grids = {"a": (3, 3), "b": (4, 4), "c": (3, 3)}
    rows = run_of(np.random.default_rng(0), 12, grids)
    rows.append(row("tulip/900.jpg", "a", np.eye(3)))
    rows += [row("tulip/900.jpg", m, np.zeros((3, 3))) for m in "bc"]
    paths = write(tmp_path, rows, part=9)
    found = summed(paths).set_index(["class_name", "method", "other_method"])
    images = pd.read_parquet(paths.agreement_images)
    assert len(found) == 9
    for (name, a, b), told in found.iterrows():
        of_pair = images[(images.method == a) & (images.other_method == b)]
        of_pair = of_pair if name == "" else of_pair[of_pair.class_name == name]
        values = of_pair.rank_correlation.dropna().to_numpy(np.float64)
        assert told.n_images == len(values)
        assert told.n_undefined == (name != "daisy")
        assert told.rank_correlation == pytest.approx(values.mean(), abs=1e-6)
        interval = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
        ends = told.rank_correlation_low, told.rank_correlation_high
        assert ends == pytest.approx(np.clip(interval, -1, 1), abs=1e-6)
        border = of_pair.mass_difference_border.mean()
        assert told.mass_difference_border == pytest.approx(border, abs=1e-6)
        assert told.mass_agreement == pytest.approx(of_pair.mass_agreement.mean(), abs=1e-6)
        assert np.isnan(told.mass_difference_object)


def test_one_image_has_no_interval_and_no_image_no_mean(tmp_path):
    rows = [row("daisy/1", m, np.eye(3), mass_border=0.5) for m in "ab"]
    rows += [row("tulip/1", m, np.zeros((3, 3))) for m in "ab"]
    found = summed(write(tmp_path, rows)).set_index("class_name")
    assert found.rank_correlation["daisy"] == pytest.approx(1)
    assert np.isnan(found.rank_correlation_low["daisy"])
    assert np.isnan(found.rank_correlation["tulip"])
    assert np.isnan(found.mass_agreement["tulip"])
    assert list(found.n_undefined[["", "daisy", "tulip"]]) == [1, 0, 1]


def test_nothing_to_compare_is_an_empty_table(tmp_path):
    paths = write(tmp_path, run_of(np.random.default_rng(0), 4, {"a": (3, 3)}))
    assert len(summed(paths)) == 0
    assert agreement_table(write(tmp_path / "other", [])).num_rows == 0


def test_the_draw_is_bounded_and_hangs_on_the_seed_alone(tmp_path):
    rows = run_of(np.random.default_rng(0), 40, {"a": (2, 2), "b": (2, 2)})
    one = write(tmp_path / "one", rows, part=7)
    other = write(tmp_path / "other", rows[::-1], part=13)
    chosen = drawn(one, images=5, seed=0)
    assert len(chosen) == 10
    assert len({i for i in chosen if i.startswith("daisy")}) == 5
    assert chosen == drawn(other, images=5, seed=0)
    assert chosen != drawn(one, images=5, seed=1)
    assert len(drawn(one, images=99, seed=0)) == 40
