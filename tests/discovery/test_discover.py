from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import adjusted_rand_score

from tests.discovery.runs import CENTRE, CORNER, GRID, blobs, frames, rows_of, settings, write
from xai_audit.discovery.discover import discover
from xai_audit.errors import OutputError
from xai_audit.run.files import read_notes, write_table
from xai_audit.schema import CLUSTERS


def found(paths, **changed):
    return discover(paths, settings=settings(**changed), progress=lambda _: None)


def by_class(table) -> dict[str, list[dict]]:
    rows = {}
    for row in table.to_pylist():
        rows.setdefault(row["class_name"], []).append(row)
    return rows


@pytest.fixture(scope="module")
def planted() -> list[dict]:
    """``two``: 40 at the object, 20 in a corner. ``frame``: the border. ``one``: the object."""
    rng = np.random.default_rng(0)
    two = np.concatenate([blobs(rng, 40, CENTRE), blobs(rng, 20, CORNER, 0.3)])
    return [
        *rows_of("two", two),
        *rows_of("frame", frames(rng, 50)),
        *rows_of("one", blobs(rng, 50, CENTRE)),
    ]


@pytest.fixture(scope="module")
def planted_run(planted, tmp_path_factory):
    return write(tmp_path_factory.mktemp("planted") / "run", planted)


@pytest.mark.parametrize("algorithm", ["spectral", "hdbscan"])
def test_planted_strategies_are_found_and_named(planted_run, algorithm):
    table = found(planted_run, algorithm=algorithm)
    assert table.schema.equals(CLUSTERS)
    table.validate(full=True)
    rows = [row for row in table.to_pylist() if row["cluster"]]
    told = [(r["class_name"], r["cluster"], r["cue"], r["kind"]) for r in rows]
    assert told == [
        ("frame", 1, "cluster_1", "border"),
        ("one", 1, None, "object"),
        ("two", 1, None, "object"),
        ("two", 2, "cluster_2", "corner_bottom_right"),
    ]
    truth = {f"two/{i:04d}.jpg": int(i >= 40) for i in range(60)}
    ids = {i: r["cluster"] for r in rows if r["class_name"] == "two" for i in r["image_ids"]}
    assert adjusted_rand_score([truth[i] for i in ids], list(ids.values())) > 0.9
    assert len(ids) > 50


def test_a_strategy_is_described(planted_run, planted):
    corner = by_class(found(planted_run))["two"][1]
    assert (corner["n_images"], corner["height"], corner["width"]) == (20, GRID, GRID)
    assert corner["share"] == pytest.approx(20 / 60)
    assert corner["stability"] > 0.9
    assert corner["eigengap"] > 0
    assert (corner["algorithm"], corner["method"]) == ("spectral", "gradcam")
    members = [row for row in planted if row["image_id"] in corner["image_ids"]]
    assert len(members) == 20
    maps = np.array([row["heatmap"] for row in members], np.float64)
    mean = (maps / maps.sum(1, keepdims=True)).mean(0)
    np.testing.assert_allclose(corner["mean_map"], mean, atol=1e-4)
    for region in ("object", "corner_bottom_right"):
        slow = np.mean([row[f"mass_{region}"] for row in members])
        assert corner[f"mass_{region}"] == pytest.approx(slow, rel=1e-5)
    cells = np.array(corner["region"]).reshape(GRID, GRID)
    assert 1 <= cells.sum() <= 6
    assert cells[4:, 4:].sum() == cells.sum()
    far = [np.linalg.norm(m / m.sum() - mean) for m in maps]
    nearest = members[int(np.argmin(far))]["image_id"]
    assert corner["image_ids"][0] == nearest


def test_rows_ignore_parts_and_their_order(planted, planted_run, tmp_path):
    shuffled = [planted[i] for i in np.random.default_rng(1).permutation(len(planted))]
    assert found(write(tmp_path / "run", shuffled, part=17)).equals(found(planted_run))


def test_images_are_drawn_by_seed(planted_run):
    drawn = found(planted_run, images=30)
    ids = {i for row in drawn.to_pylist() for i in row["image_ids"]}
    assert len(ids) == 90
    assert sum(row["n_images"] for row in drawn.to_pylist()) == 90
    assert drawn.equals(found(planted_run, images=30))
    other = {
        i for row in found(planted_run, images=30, seed=1).to_pylist() for i in row["image_ids"]
    }
    assert other != ids


def test_too_few_images_are_counted_not_clustered(tmp_path, planted):
    rng = np.random.default_rng(0)
    dark = np.concatenate([np.zeros((4, GRID, GRID)), np.full((1, GRID, GRID), np.nan)])
    one = np.concatenate([dark, blobs(rng, 25, CENTRE)])
    rows = rows_of("few", blobs(rng, 3, CENTRE)) + rows_of("dark", one)
    told = []
    paths = write(tmp_path / "run", rows)
    table = discover(paths, settings=settings(), progress=told.append)
    assert [(r["class_name"], r["n_images"]) for r in table.to_pylist()] == [("dark", 25)]
    assert sum(told) == 28
    write_table(paths.clusters, table)
    assert read_notes(paths.clusters) == {"classes": "1", "too_few": "1", "left_out": "5"}
    assert pq.read_table(paths.clusters).schema.equals(CLUSTERS)


def test_few_images_have_their_mean_map_and_no_clustering(tmp_path):
    rng = np.random.default_rng(0)
    # Two places that 30 maps would show as two clusters; of nine it is chance.
    few = np.concatenate([blobs(rng, 5, CORNER, 0.2), blobs(rng, 4, (6.0, 0.0), 0.2)])
    rows = rows_of("few", few) + rows_of("many", blobs(rng, 30, CENTRE))
    paths = write(tmp_path / "run", rows)
    table = discover(paths, settings=settings(min_images=9), progress=lambda _: None)
    (one,) = by_class(table)["few"]
    assert (one["n_images"], one["share"], one["cluster"]) == (9, 1.0, 1)
    assert one["cue"] == "cluster_1"
    assert one["algorithm"] is one["stability"] is one["eigengap"] is None
    assert one["mean_map"] == pytest.approx(maps_of(rows, "few").mean(0).ravel(), abs=1e-3)
    assert by_class(table)["many"][0]["algorithm"] == "spectral"
    assert len(discover(paths, settings=settings(min_images=10), progress=lambda _: None)) == 1
    clustered = settings(min_images=9, min_clustered=9)
    assert by_class(discover(paths, settings=clustered, progress=lambda _: None))["few"][0][
        "algorithm"
    ]


def test_without_masks_the_object_has_no_name(tmp_path):
    rng = np.random.default_rng(0)
    rows = rows_of("frame", frames(rng, 30), masks=False)
    rows += rows_of("one", blobs(rng, 30, CENTRE), masks=False)
    table = found(write(tmp_path / "run", rows))
    told = {r["class_name"]: (r["kind"], r["cue"], r["mass_object"]) for r in table.to_pylist()}
    assert told == {"frame": ("border", "cluster_1", None), "one": ("mixed", None, None)}


def test_odd_grids_are_brought_to_the_most_common(tmp_path):
    rng = np.random.default_rng(0)
    small, large = blobs(rng, 30, CENTRE), np.kron(blobs(rng, 10, CENTRE), np.ones((2, 2)))
    rows = rows_of("one", small)
    for number, row in enumerate(rows_of("one", large)):
        rows.append(row | {"image_id": f"one/large{number}.jpg"})
    (row,) = found(write(tmp_path / "run", rows)).to_pylist()
    assert (row["height"], row["width"], row["n_images"]) == (GRID, GRID, 40)
    assert sum(row["mean_map"]) == pytest.approx(1, abs=1e-3)


def test_each_method_by_its_preferred_target(tmp_path):
    rng = np.random.default_rng(0)
    border, centre = frames(rng, 30), blobs(rng, 30, CENTRE)
    rows = rows_of("a", border) + rows_of("a", centre, target_kind="label")
    rows += rows_of("a", border, method="other", target_kind="label")
    told = [
        (r["cluster"], r["cue"], r["method"], r["target_kind"], r["kind"])
        for r in found(write(tmp_path / "run", rows)).to_pylist()
    ]
    assert told == [
        (1, "cluster_1", "gradcam", "contrast", "border"),
        (2, "cluster_2", "other", "label", "border"),
    ]


def test_nothing_to_cluster_is_an_empty_table(tmp_path):
    assert found(write(tmp_path / "run", [])).num_rows == 0


def test_a_broken_part_is_told(planted_run, tmp_path):
    paths = write(tmp_path / "run", rows_of("a", frames(np.random.default_rng(0), 3)))
    paths.part(paths.attributions, 0).write_bytes(b"no Parquet")
    with pytest.raises(OutputError, match="cannot be read.*delete the broken file"):
        found(paths)


def test_a_region_is_told_from_other_classes_however_few_their_images(tmp_path):
    rng = np.random.default_rng(0)
    both = blobs(rng, 60, CENTRE, 0.2) + blobs(rng, 60, CORNER, 0.2)
    rows = rows_of("many", both) + rows_of("few", blobs(rng, 20, CENTRE, 0.2))
    many = by_class(found(write(tmp_path / "run", rows)))["many"][0]
    # Its own maps are no part of what it is compared with: the centre is common, the corner is not.
    cells = np.array(many["region"]).reshape(GRID, GRID)
    excess = np.array(many["mean_map"]).reshape(GRID, GRID)
    excess = (excess - maps_of(rows, "few").mean(0)).clip(min=0)
    held = excess[cells > 0]
    assert cells[:4, :4].sum() == 0
    assert held.sum() >= excess.sum() / 2 > held.sum() - held.min()


def test_a_single_class_is_compared_with_an_even_map(tmp_path):
    rows = rows_of("only", frames(np.random.default_rng(0), 30))
    (only,) = found(write(tmp_path / "run", rows)).to_pylist()
    cells = np.array(only["region"]).reshape(GRID, GRID)
    assert cells[1:-1, 1:-1].sum() == 0
    assert 11 <= cells.sum() <= 13  # half of 24, give or take the speckle


def maps_of(rows: list[dict], class_name: str) -> np.ndarray:
    """The class's maps as shares (n, 7, 7)."""
    maps = np.array([r["heatmap"] for r in rows if r["class_name"] == class_name], np.float64)
    return (maps / maps.sum(1, keepdims=True)).reshape(-1, GRID, GRID)
