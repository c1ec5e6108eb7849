"""Who gets whose cue: drawn by seed, and never from the class that alone makes the difference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xai_audit.evidence.cells import pools
from xai_audit.evidence.donors import least_similar, ordinary, sample
from xai_audit.evidence.pairs import in_turn, own_pairs
from xai_audit.evidence.plan import (
    OTHERS,
    OWN,
    Cell,
    Roster,
    Separation,
    cell,
    discovered,
    owner,
    shown,
)
from xai_audit.evidence.readings import CueReading

NAMES = ["framed", "rival", "rose", "tulip"]
EACH = 10


def roster(seed: int = 0) -> Roster:
    classes = np.repeat(NAMES, EACH)
    return Roster(
        ids=[f"{name}/{i}.jpg" for i, name in enumerate(classes)],
        classes=classes,
        names=NAMES,
        confusion={"framed": {"rival": 0.9, "rose": 0.1}, "rival": {"framed": 0.9}},
        seed=seed,
        clusters=np.arange(len(classes)),
    )


def border_of(name: str, *, budget: int, way="both", levels=None, usable=None, seed=0) -> Cell:
    """The cell of class ``name`` and a border that ``framed`` alone has."""
    n = len(NAMES) * EACH
    levels = [float("nan")] * 4 if levels is None else levels
    reading = CueReading(
        cue="border",
        way=way,
        needs_mask=True,
        areas=np.ones(n),
        levels=np.repeat(levels, EACH),
        usable=np.ones(n, dtype=bool) if usable is None else usable,
    )
    shows = np.tile(np.linspace(0, 1, EACH), len(NAMES))
    separation = Separation(
        {"framed": 1.0, "rival": 0.6, "rose": 0.5, "tulip": 0.55},
        dict.fromkeys(NAMES, shows[:EACH]),
        dict.fromkeys(NAMES, np.full(len(NAMES), 0.5)),
    )
    given = pools(roster(seed), "border", reading.usable)
    return cell(roster(seed), name, reading, given, separation, budget=budget)


def classes_of(ids: list[str]) -> list[str]:
    return [image_id.partition("/")[0] for image_id in ids]


def place(image_id: str) -> int:
    """Its place among the photos of its class."""
    return int(image_id.partition("/")[2].removesuffix(".jpg")) % EACH


def test_the_planted_class_gets_any_border_and_its_rival_never_the_frame():
    framed = border_of("framed", budget=16)
    rival = border_of("rival", budget=16)
    others = {"rival", "rose", "tulip"}
    assert set(classes_of([p.donor_without for p in framed.reliance])) == others
    assert set(classes_of([p.donor_without for p in rival.reliance])) == {"rose", "tulip"}
    for found in (framed, rival):
        assert found.measured_on == OWN
        assert {*classes_of([p.image for p in found.reliance])} == {found.class_name}
        assert {*classes_of([p.donor_with for p in found.reliance])} == {found.class_name}
        assert all(p.image != p.donor_with for p in found.reliance)
        assert len({p.image for p in found.reliance}) == len(found.reliance) == 10


def test_donors_are_those_that_show_the_cue_best():
    found = border_of("framed", budget=32)
    pairs = found.reliance + found.pull
    assert {place(p.donor_with) for p in pairs} <= {5, 6, 7, 8, 9}
    assert {place(p.donor_without) for p in pairs} > {0, 1, 2, 3, 4}
    assert {place(p.image) for p in found.reliance} == set(range(EACH))
    assert len({p.donor_with for p in found.reliance}) == 5


def test_a_rival_with_a_mark_loses_it_with_either_donor():
    """Pull is measured on the true rival, and a mark's absence is no cue of the class."""
    of_rival = border_of("rival", budget=32).pull
    assert classes_of([p.image for p in of_rival]) == ["framed"] * 10
    assert {*classes_of([p.donor_with for p in of_rival])} == {"rival"}
    assert {*classes_of([p.donor_without for p in of_rival])} <= {"rose", "tulip"}


def test_pull_asks_the_most_confusable_class_first():
    pairs = border_of("framed", budget=32).pull
    assert classes_of([p.image for p in pairs]) == ["rival"] * 10
    for pair in pairs:
        assert classes_of([pair.donor_with]) == ["framed"]
        assert classes_of([pair.donor_without]) == classes_of([pair.image])
        assert pair.donor_without != pair.image


def test_further_classes_only_fill_up_what_the_most_confusable_lacks():
    lost = {"way": "down", "levels": [1.0, 5.0, 5.0, 5.0]}
    found = border_of("framed", **lost, budget=32)
    assert classes_of([p.image for p in found.pull]) == ["rival"] * 10 + ["rose"] * 10
    assert found.wanted == 20
    few = border_of("framed", **lost, budget=12)
    assert classes_of([p.image for p in few.pull]) == ["rival"] * 10 + ["rose"] * 2
    assert few.wanted == 12


def test_what_is_lost_is_asked_of_the_others():
    blurred = border_of("framed", way="down", levels=[1.0, 5.0, 5.0, 5.0], budget=8)
    sharp = border_of("framed", way="down", levels=[9.0, 5.0, 5.0, 5.0], budget=8)
    assert (blurred.measured_on, blurred.reliance, len(blurred.pull)) == (OTHERS, (), 8)
    assert (sharp.measured_on, len(sharp.reliance)) == (OWN, 6)


def test_ordinary_is_who_is_told_clearly_less():
    distinct = {"a": 0.9, "b": 0.7, "c": 0.6, "d": 1.0, "e": 0.95}
    assert ordinary("b", ["a", "c", "d"], distinct) == ["c", "a"]  # half of three, and no more
    assert ordinary("a", ["b", "c", "d"], distinct) == ["c", "b"]
    assert ordinary("d", ["a", "b", "c"], distinct) == ["c", "b", "a"]
    assert ordinary("d", ["a", "b", "c", "e"], distinct) == ["c", "b", "a"]  # e: not clearly less
    assert ordinary("x", ["a", "b"], {"a": float("nan"), "b": 0.6}) == ["a"]


def test_donor_classes_are_those_whose_cue_looks_least_like_it():
    likeness = {"a": 0.8, "b": 0.1, "c": 0.3, "d": 0.2, "e": float("nan")}
    assert least_similar(likeness, ["a", "b", "c", "d", "e"]) == ["e", "b", "d", "c"]


def test_too_few_photos_are_told():
    usable = np.ones(40, dtype=bool)
    usable[1:10] = False
    found = border_of("framed", usable=usable, budget=8)
    assert found.reliance == found.pull == ()
    assert found.why == "1 usable photo of this class with an object mask; 6 are needed"
    assert border_of("framed", way="none", budget=8).why is not None


def test_what_no_pair_can_decide_costs_none():
    def framed_of(count: int, distinct: dict[str, float]) -> Cell:
        usable = np.ones(40, dtype=bool)
        usable[count:10] = False
        n = len(NAMES) * EACH
        nan = np.full(n, np.nan)
        reading = CueReading("border", "both", False, nan, nan, usable)
        separation = Separation(distinct, {}, {})
        given = pools(roster(), "border", usable)
        return cell(roster(), "framed", reading, given, separation, budget=32)

    unknown = framed_of(5, {})
    assert (unknown.pairs, unknown.why) == ((), "5 usable photos of this class; 6 are needed")
    # With availability known a pull may confirm what reliance cannot.
    known = framed_of(5, {"framed": 0.9})
    assert (known.reliance, len(known.pull), known.why) == ((), 20, None)
    enough = framed_of(6, {})
    assert (len(enough.reliance), len(enough.pull)) == (6, 10)


def test_pairs_depend_on_the_seed_alone():
    first, again, other = (border_of("framed", seed=s, budget=16) for s in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_discovered_cue_is_its_class_s_own():
    key = discovered("cluster_1", "a@b")
    assert (shown(key), owner(key)) == ("cluster_1", "a@b")
    assert (shown("border"), owner("border")) == ("border", None)


def test_a_sample_is_bounded_a_class_and_keeps_a_smaller_one():
    ids = [f"{i}.jpg" for i in range(50)]
    classes = ["a"] * 40 + ["b"] * 10
    small = sample(ids, classes, per_class=5, seed=3)
    large = sample(ids, classes, per_class=20, seed=3)
    assert [sum(row < 40 for row in rows) for rows in (small, large)] == [5, 20]
    assert [sum(row >= 40 for row in rows) for rows in (small, large)] == [5, 10]
    assert set(small) <= set(large)
    assert small == sorted(small) != sample(ids, classes, per_class=5, seed=4)


def met(clusters, *, budget=64):
    """The cell of ``framed`` where photos share ``clusters``, and the cluster of each image id."""
    n = len(NAMES) * EACH
    photos = replace(roster(), clusters=clusters)
    nan = np.full(n, np.nan)
    reading = CueReading("border", "both", False, nan, nan, np.ones(n, dtype=bool))
    given = pools(photos, "border", reading.usable)
    found = cell(photos, "framed", reading, given, Separation({}, {}, {}), budget=budget)
    return found, dict(zip(photos.ids, clusters.tolist(), strict=True))


def test_no_donor_is_of_the_photo_s_own_cluster():
    # Five sites, each with photos of every class.
    found, site = met(np.tile(np.arange(5), 8))
    assert len(found.reliance) == EACH
    assert len(found.pull) >= EACH
    for pair in found.pairs:
        assert site[pair.donor_with] != site[pair.image]
        assert site[pair.donor_without] != site[pair.image]


def test_clusters_give_in_turn_whatever_their_size():
    # Of every class one site of 7 photos and three of 1.
    of_class = np.r_[np.zeros(7, int), 1, 2, 3]
    found, site = met(np.concatenate([of_class + 10 * k for k in range(4)]))
    pulls = [site[pair.donor_with] for pair in found.pull]
    assert (
        max(pulls.count(one) for one in {*pulls})
        <= min(pulls.count(one) for one in {0, 1, 2, 3}) + 1
    )
    of_seven = [pair for pair in found.reliance if site[pair.image] == 0]
    assert len(of_seven) == 7
    assert {site[pair.donor_with] for pair in of_seven} == {1, 2, 3}


def test_where_all_share_a_cluster_another_photo_gives():
    found, _ = met(np.zeros(40, dtype=int))
    assert all(p.image not in (p.donor_with, p.donor_without) for p in found.pairs)


def test_donors_in_turn_are_the_pool_where_no_photo_shares_a_cluster():
    alone, pool = np.arange(9), [4, 2, 7]
    assert in_turn(pool, alone) == pool
    assert in_turn([0, 1, 2, 3], np.array([5, 5, 5, 6])) == [0, 3, 1, 3, 2, 3]
    assert in_turn([], alone) == []


def test_where_one_site_shows_the_cue_best_its_photos_take_donors_of_another():
    clusters = np.array([0, 0, 0, 0, 1, 1, 2, 3])
    mine, givers = [0, 1, 2, 3, 4, 5], [0, 1, 2]
    pairs = list(own_pairs(mine, givers, ["b"], {"b": [6, 7]}, clusters))
    assert all(clusters[image] != clusters[with_] for image, with_, _ in pairs)
