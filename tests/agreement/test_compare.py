from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ConstantInputWarning, spearmanr

from tests.agreement.rows import row, run_of, write
from xai_audit.agreement.compare import compared
from xai_audit.schema import AGREEMENT_IMAGES, BANDS, REGIONS
from xai_audit.statistics.placements import rank_correlations

GRIDS = {"cam": (7, 7), "deep": (14, 14), "fine": (7, 9), "odd": (5, 12)}


def naive_means(cells: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Area means cell by cell, in float64: every overlap of an old and a new cell."""
    height, width = cells.shape
    found = np.zeros(grid)
    for y, x in np.ndindex(*grid):
        top, bottom = y * height / grid[0], (y + 1) * height / grid[0]
        left, right = x * width / grid[1], (x + 1) * width / grid[1]
        for row_, column in np.ndindex(height, width):
            high = max(0.0, min(bottom, row_ + 1) - max(top, row_))
            wide = max(0.0, min(right, column + 1) - max(left, column))
            found[y, x] += cells[row_, column] * high * wide
    return found * grid[0] * grid[1] / (height * width)


def images_of(paths, chosen=None) -> pd.DataFrame:
    frames = []
    for file in paths.parts(paths.attributions):
        ids = pd.read_parquet(file).image_id if chosen is None else chosen
        table = compared([file], [paths.scores / file.name], {*ids})
        assert table.schema.equals(AGREEMENT_IMAGES, check_metadata=False)
        frames.append(table.to_pandas())
    return pd.concat(frames, ignore_index=True)


def test_every_pair_equals_scipy_on_area_means(tmp_path):
    rows = run_of(np.random.default_rng(0), 6, GRIDS)
    found = images_of(write(tmp_path, rows, part=8)).set_index(
        ["image_id", "method", "other_method"]
    )
    assert len(found) == 6 * 6
    by = {(r["image_id"], r["method"]): r for r in rows}
    for image_id in {r["image_id"] for r in rows}:
        for a, b in combinations(sorted(GRIDS), 2):
            one, other = by[image_id, a], by[image_id, b]
            grid = tuple(map(min, GRIDS[a], GRIDS[b]))
            maps = [
                naive_means(r["heatmap"].astype(np.float64).reshape(GRIDS[r["method"]]), grid)
                for r in (one, other)
            ]
            told = found.loc[(image_id, a, b)]
            # Ties are cells equal up to rounding; pi, lest a binary fraction lie between two steps.
            expected = spearmanr(*((m / np.pi).round(12).ravel() for m in maps)).statistic
            assert told.rank_correlation == pytest.approx(expected, abs=1e-6)
            gaps = [abs(one[f"mass_{r}"] - other[f"mass_{r}"]) for r in BANDS]
            assert told.mass_agreement == pytest.approx(1 - np.mean(gaps), abs=1e-6)
            assert told.mass_difference_border == pytest.approx(gaps[0], abs=1e-6)
            assert np.isnan(told.mass_difference_object)  # no masks
            assert told.agreement_status == "ok"


def test_rows_of_a_method_may_stand_in_an_order_of_their_own(tmp_path):
    rng = np.random.default_rng(5)
    maps = {f"daisy/{n}": rng.uniform(0.1, 1, (5, 5)) for n in range(4)}
    rows = [row(image_id, "a", heatmap) for image_id, heatmap in maps.items()]
    rows += [row(image_id, "b", heatmap) for image_id, heatmap in [*maps.items()][:0:-1]]
    found = images_of(write(tmp_path, rows))
    assert list(found.image_id) == ["daisy/1", "daisy/2", "daisy/3"]
    assert found.rank_correlation.to_numpy() == pytest.approx(1, abs=1e-6)


def test_planted_agreement(tmp_path):
    """The same map agrees wholly, whatever its factor; the opposite not at all."""
    heatmap = np.random.default_rng(1).uniform(0.1, 1, (6, 6))
    same = dict.fromkeys([f"mass_{r}" for r in REGIONS], 0.25)
    rows = [
        row("daisy/1", "a", heatmap, **same),
        row("daisy/1", "b", heatmap / 4, **same),
        row("daisy/1", "c", 1.25 - heatmap, **dict.fromkeys(same, 0.75)),
        row("daisy/1", "d", np.kron(heatmap, np.ones((3, 2))), **same),
    ]
    found = images_of(write(tmp_path, rows)).set_index(["method", "other_method"])
    rank = found.rank_correlation
    assert rank["a", "b"] == pytest.approx(1, abs=1e-6)
    assert rank["a", "c"] == pytest.approx(-1, abs=1e-6)
    assert rank["a", "d"] == pytest.approx(1, abs=1e-6)
    assert found.mass_agreement["a", "b"] == 1
    assert found.mass_agreement["a", "c"] == 0.5


def test_undefined_is_null_with_its_reason(tmp_path):
    rng = np.random.default_rng(2)
    maps = {
        "none": np.zeros((4, 4)),
        "not_finite": np.where(np.eye(4) > 0, np.nan, 1.0),
        "flat": np.full((4, 4), 0.5),
        "missing": None,
    }
    rows = []
    for name, heatmap in maps.items():
        rows += [
            row(f"daisy/{name}", "a", rng.uniform(size=(4, 4))),
            row(f"daisy/{name}", "b", heatmap),
        ]
    found = images_of(write(tmp_path, rows)).set_index("image_id")
    for name in maps:
        assert np.isnan(found.rank_correlation[f"daisy/{name}"])
        assert found.agreement_status[f"daisy/{name}"] == f"relevance={name}"
    assert found.mass_agreement.isna().all()


def test_one_cell_has_no_order():
    with pytest.warns(ConstantInputWarning):
        assert np.isnan(spearmanr([1, 1], [1, 2]).statistic)
    assert np.isnan(rank_correlations(np.array([[1.5, 1.5]]), np.array([[1.0, 2.0]]))).all()
    assert np.isnan(rank_correlations(np.ones((1, 1)), np.ones((1, 1)))).all()


def test_one_method_only_the_chosen_and_each_kind_apart(tmp_path):
    rng = np.random.default_rng(3)
    alone = write(tmp_path / "alone", run_of(rng, 4, {"cam": (3, 3)}))
    assert len(images_of(alone)) == 0
    grids = {"a": (3, 3), "b": (3, 3)}
    rows = run_of(rng, 4, grids) + run_of(rng, 4, grids, target_kind="contrast")
    both = write(tmp_path / "both", rows)
    found = images_of(both, chosen=["tulip/000.jpg", "daisy/003.jpg", "elsewhere"])
    assert list(found.image_id) == ["tulip/000.jpg"] * 2 + ["daisy/003.jpg"] * 2
    assert list(found.target_kind) == ["contrast", "label"] * 2
