from __future__ import annotations

import statistics

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from xai_audit.errors import OutputError
from xai_audit.flags.outliers import MIN_IMAGES, MIN_SPREAD, find_flags, write_flags
from xai_audit.run.reader import Run
from xai_audit.schema import FLAGS, REGIONS, SCORES

Z, EXCESS = 3.5, 0.1


def scores(n: int = 20, **columns: object) -> pd.DataFrame:
    """``n`` unremarkable rows of one class; a column given as a list starts with it."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: [None] * n for name in SCORES.names})
    frame["image_id"] = [f"c/{i:03d}.jpg" for i in range(n)]
    frame = frame.assign(class_name="c", label=3, pred=3, confidence=0.9, method="gradcam")
    frame = frame.assign(target_kind="contrast", pointing_hit=True)
    for region in REGIONS:
        frame[f"mass_{region}"] = 0.5 + 0.02 * rng.standard_normal(n)
    for name, value in columns.items():
        if isinstance(value, list):
            frame[name] = value + frame[name].tolist()[len(value) :]
        else:
            frame[name] = value
    return frame


def found(frame: pd.DataFrame, reason: str, *, z: float = Z, min_excess: float = EXCESS) -> list:
    flags = find_flags(frame, z=z, min_excess=min_excess)
    return flags[flags.reason == reason].image_id.tolist()


def test_nothing_unusual_gives_no_flags_but_every_column():
    flags = find_flags(scores(), z=Z, min_excess=EXCESS)
    assert flags.columns.tolist() == FLAGS.names
    assert flags.empty


@pytest.mark.parametrize("region", [r for r in REGIONS if r != "object"])
def test_much_mass_in_a_region_is_flagged_and_little_is_not(region):
    frame = scores(**{f"mass_{region}": [0.9, 0.1]})
    assert found(frame, region) == ["c/000.jpg"]


def test_little_mass_on_the_object_is_flagged_and_much_is_not():
    assert found(scores(mass_object=[0.9, 0.1]), "object") == ["c/001.jpg"]


def test_statistics_are_the_class_median_and_scaled_mad():
    frame = scores(mass_border=[0.9])
    flag = find_flags(frame, z=Z, min_excess=EXCESS).iloc[0]
    masses = frame.mass_border.tolist()
    median = statistics.median(masses)
    spread = 1.4826 * statistics.median(abs(m - median) for m in masses)
    assert flag.value == 0.9
    assert flag.class_median == pytest.approx(median)
    assert flag.class_spread == pytest.approx(spread)
    assert flag.distance == pytest.approx((0.9 - median) / spread)
    low = find_flags(scores(mass_object=[0.1]), z=Z, min_excess=EXCESS).iloc[0]
    assert low.distance == pytest.approx((low.class_median - 0.1) / low.class_spread)


def test_both_limits_must_be_passed():
    frame = scores(mass_border=[0.62])
    distance = find_flags(frame, z=1, min_excess=0.05).query("rank == 1").iloc[0].distance
    assert found(frame, "border", z=distance - 0.01) == ["c/000.jpg"]
    assert found(frame, "border", z=distance + 0.01) == []
    excess = 0.62 - frame.mass_border.median()
    assert found(frame, "border", z=1, min_excess=excess + 1e-6) == []
    assert found(frame, "border", z=1, min_excess=excess - 1e-6) == ["c/000.jpg"]


def test_a_class_on_one_value_has_the_least_spread():
    frame = scores().assign(mass_border=[0.2] + [0.0] * 19)
    flag = find_flags(frame, z=Z, min_excess=EXCESS).iloc[0]
    assert flag.class_spread == pytest.approx(MIN_SPREAD)
    assert flag.distance == pytest.approx(0.2 / MIN_SPREAD)


def test_each_class_and_method_has_its_own_standard():
    many = scores(40)
    other_class = scores(10, class_name="d", mass_border=0.9)
    other_class["image_id"] = "d/" + other_class.image_id
    other_method = scores(10, method="lrp", mass_border=0.9)
    together = pd.concat([many, other_class, other_method], ignore_index=True)
    assert found(together, "border") == []


def test_a_small_class_has_mistakes_and_missed_objects_only():
    n = MIN_IMAGES - 1
    frame = scores(n, mass_border=[1.0], pred=[1], pointing_hit=[True, False, False])
    frame.loc[1, "mass_object"], frame.loc[2, "mass_object"] = 0.3, 0.1
    flags = find_flags(frame, z=Z, min_excess=EXCESS)
    assert flags[["image_id", "reason", "rank"]].to_numpy().tolist() == [
        ["c/002.jpg", "off_object", 1],
        ["c/001.jpg", "off_object", 2],
        ["c/000.jpg", "mistake", 1],
    ]
    assert flags[["class_median", "class_spread"]].isna().all(axis=None)
    assert found(scores(MIN_IMAGES, mass_border=[1.0]), "border") == ["c/000.jpg"]


def test_undefined_masses_neither_count_nor_flag():
    frame = scores(mass_object=[0.1] + [None] * (20 - MIN_IMAGES + 1))
    assert found(frame, "object") == []
    frame = scores(pointing_hit=None)
    assert found(frame, "off_object") == []


def test_mistakes_are_ranked_by_confidence_and_told_once_an_image():
    frame = scores(pred=[1, 1, 3], confidence=[0.4, 0.8])
    both = pd.concat([frame, frame.assign(method="lrp")], ignore_index=True)
    flags = find_flags(both, z=Z, min_excess=EXCESS)
    assert flags.image_id.tolist() == ["c/001.jpg", "c/000.jpg"]
    assert flags["rank"].tolist() == [1, 2]
    assert flags.value.tolist() == flags.distance.tolist() == [0.8, 0.4]


@pytest.mark.parametrize("label", [None, -1])
def test_an_unknown_label_is_no_mistake(label):
    assert found(scores(label=label), "mistake") == []


def test_ties_are_broken_by_image_id_whatever_the_order_of_rows():
    frame = scores(mass_border=[0.9, 0.9, 0.95])
    expected = ["c/002.jpg", "c/000.jpg", "c/001.jpg"]
    assert found(frame, "border") == expected
    assert found(frame.sample(frac=1, random_state=3), "border") == expected


@pytest.mark.parametrize(
    ("kinds", "used"),
    [
        (("label", "contrast", "pred"), "contrast"),
        (("pred", "label"), "label"),
        (("pred",), "pred"),
    ],
)
def test_one_target_kind_a_method_is_judged(kinds, used):
    frames = [scores(mass_border=[0.9]).assign(target_kind=kind) for kind in kinds]
    frames.append(scores(mass_border=[0.9]).assign(method="lrp", target_kind="label"))
    flags = find_flags(pd.concat(frames, ignore_index=True), z=Z, min_excess=EXCESS)
    assert dict(zip(flags.method, flags.target_kind, strict=True)) == {
        "gradcam": used,
        "lrp": "label",
    }
    assert len(flags) == 2


def test_no_rows_give_no_flags():
    empty = SCORES.empty_table().to_pandas()
    flags = find_flags(empty, z=Z, min_excess=EXCESS)
    assert flags.columns.tolist() == FLAGS.names


def test_written_flags_are_those_of_the_whole_table_by_schema(tiny_run):
    flags = write_flags(Run(tiny_run.root), z=Z, min_excess=EXCESS)
    whole = pd.concat([pd.read_parquet(f) for f in tiny_run.parts(tiny_run.scores)])
    pd.testing.assert_frame_equal(flags, find_flags(whole, z=Z, min_excess=EXCESS))
    stored = pq.read_table(tiny_run.flags)
    assert stored.schema.remove_metadata().equals(FLAGS)
    assert stored["against"].null_count == len(flags)
    counts = pd.read_parquet(tiny_run.flags).groupby(["class_name", "reason"]).size().to_dict()
    assert counts == {("daisy", "border"): 4, ("tulip", "mistake"): 3}


def test_a_run_without_scores_gets_an_empty_table(builder):
    paths = builder.write()
    write_flags(Run(paths.root), z=Z, min_excess=EXCESS)
    assert pq.read_table(paths.flags).num_rows == 0


def test_a_broken_part_is_named(tiny_run):
    tiny_run.part(tiny_run.scores, 1).write_bytes(b"nothing")
    with pytest.raises(OutputError, match=r"table of this run cannot be read: .*scores.*remedy"):
        write_flags(Run(tiny_run.root), z=Z, min_excess=EXCESS)
