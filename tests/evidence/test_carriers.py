"""Who carries a cue: told from the others by what each donor's cue does, tested on other photos."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import tiny
from tests.evidence import framed
from tests.evidence.test_verdict import LIMITS, cell
from xai_audit.evidence.carriers import Carriers, Change, carriers, rare
from xai_audit.evidence.pulls import pulls_table
from xai_audit.evidence.rounds import (
    PHOTOS,
    Screen,
    every_donor,
    first_pairs,
    fresh_pairs,
    suspected,
)
from xai_audit.evidence.screening import Screened, carried_table
from xai_audit.evidence.verdict import judge
from xai_audit.schema import CARRIER_PULL, CARRIER_RELIANCE, PULL, TRANSPLANTS, VICTIM

pytestmark = pytest.mark.xdist_group("carriers")  # they share a run

EVERY = 4  # every fourth photo of the class wears the frame


def screen(donors: int = 40) -> Screen:
    return Screen(
        "horse",
        "corner",
        tuple(f"horse/{n}" for n in range(donors)),
        {
            name: tuple((f"{name}/{n}", f"{name}/{n + 1}") for n in range(PHOTOS))
            for name in ("dog", "cat")
        },
        ("dog/90", "cat/90"),
    )


def answered(pairs, tagged, seed=0):
    """What each pair changes where the donors ``tagged`` carry what the model reads."""
    rng = np.random.default_rng(seed)
    found = {}
    for pair in pairs:
        odds = (9.0 if pair.donor_with in tagged else 0.0) + rng.normal(0, 0.8)
        found[pair] = Change(1 / (1 + math.exp(4 - odds)) - 1 / (1 + math.exp(4)), odds)
    return found


def rounds(tagged, donors=40):
    """The carriers that both rounds of screening show."""
    of = screen(donors)
    first = answered(first_pairs(of), tagged)
    more = every_donor(of, first, limit=0.2)
    return of, more, carriers(first | answered(more, tagged, 1), limit=0.2) if more else None


def test_the_most_suspected_come_first_by_mass_and_presence_in_turn():
    donors = ["a", "b", "c", "d", "e"]
    masses = {"c": 0.9, "a": 0.1, "b": math.nan}
    presence = {"e": 0.8, "c": 0.7}
    assert suspected(donors, masses, presence) == ["c", "e", "a", "b", "d"]
    assert suspected(donors, {}, {}) == donors


@pytest.mark.parametrize("count", [3, 4, 10, 40])
def test_just_the_tagged_photos_are_carriers(count):
    tagged = {f"horse/{n}" for n in range(count)}
    of, more, found = rounds(tagged)
    assert {*found.sure} == tagged
    assert len(found.effects) == 40
    assert min(found.sure.values()) > 0.95
    every = {(pair.donor_with, pair.image) for pair in [*first_pairs(of), *more]}
    assert len({image for _, image in every if image in {p.image for p in more}}) == 2
    assert len(every) == len(more) + len(first_pairs(of))  # no pair is measured twice


def test_a_photo_of_a_class_far_from_it_shows_a_response_by_its_log_odds():
    of = screen()
    tagged = {of.donors[0], of.donors[2]}
    first = {
        pair: Change(0.4 if pair.donor_with == of.donors[0] else 0.006, 7.0)
        if pair.donor_with in tagged
        else Change(0.0, 0.1)
        for pair in first_pairs(of)
    }
    assert every_donor(of, first, limit=0.2)
    alone = first | {p: Change(0.0, 0.1) for p in first if p.donor_with == of.donors[2]}
    assert not every_donor(of, alone, limit=0.2)


def test_donors_that_differ_by_degree_are_no_carriers():
    of = screen()
    pairs = [*first_pairs(of)]
    even = {f"horse/{n}": 10 * (1 - n / 39) for n in range(40)}
    given = {pair: Change(0.5, even[pair.donor_with]) for pair in pairs}
    given |= {p: Change(0.5, even[p.donor_with]) for p in every_donor(of, given, limit=0.2)}
    found = carriers(given, limit=0.2)
    assert not found.sure
    assert len(found.effects) == 40
    # With a gap of a third of the strongest they are, with one of a fourth not yet.
    apart = {pair: Change(0.5, c.log_odds + 3.0 * (c.log_odds > 4)) for pair, c in given.items()}
    assert not carriers(apart, limit=0.2).sure
    apart = {pair: Change(0.5, c.log_odds + 6.0 * (c.log_odds > 4)) for pair, c in given.items()}
    assert {*carriers(apart, limit=0.2).sure} == {d for d, odds in even.items() if odds > 4}


def test_where_no_donor_changes_the_decision_no_more_is_measured():
    assert rounds(set())[1:] == ([], None)


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_photos_that_turn_others_are_told_apart(count):
    """They decide nothing, and their number says how many photos of the class would."""
    of, more, found = rounds({f"horse/{n}" for n in range(count)}, donors=20)
    assert {*found.sure} == {f"horse/{n}" for n in range(count)}
    used = dict.fromkeys([*first_pairs(of), *more], Change(0.9, 9.0))
    pairs = fresh_pairs(of, used, found)
    assert len([pair for pair in pairs if pair.question == CARRIER_PULL]) == 28
    assert all(pair.image != pair.donor_with for pair in pairs)


def test_they_are_tested_on_photos_that_did_not_choose_them():
    of, more, found = rounds({"horse/0", "horse/1", "horse/2"})
    used = {pair.image for pair in [*first_pairs(of), *more]}
    pairs = fresh_pairs(of, dict.fromkeys([*first_pairs(of), *more], Change(0.9, 9.0)), found)
    pull = [pair for pair in pairs if pair.question == CARRIER_PULL]
    own = [pair for pair in pairs if pair.question == CARRIER_RELIANCE]
    assert not used & {pair.image for pair in pull}
    assert len({pair.image for pair in pull}) == len(pull) == 28
    assert {pair.donor_with for pair in pull} == {*found.sure}
    assert {pair.image for pair in own} == {*found.sure}
    assert all(pair.image != pair.donor_with for pair in own)


@pytest.mark.parametrize(("response", "classes"), [(0.5, {"dog", "cat"}), (0.3, {"dog"})])
def test_their_effect_is_that_on_all_classes_that_responded_alike(response, classes):
    of, more, found = rounds({"horse/0", "horse/1", "horse/2"})
    used = {
        pair: Change(0.9 if pair.image.startswith("dog") else response, 9.0)
        for pair in [*first_pairs(of), *more]
    }
    pairs = fresh_pairs(of, used, found)
    pull = [pair.image for pair in pairs if pair.question == CARRIER_PULL]
    victims = [pair.image for pair in pairs if pair.question == VICTIM]
    assert {image.partition("/")[0] for image in pull} == classes
    assert {image.partition("/")[0] for image in victims} == {"dog", "cat"} - classes
    assert len({*pull, *victims}) == len(pull) + len(victims) == 28
    # A class of few photos does not leave the effect unknown.
    few = replace(of, recipients={**of.recipients, "dog": of.recipients["dog"][:5]})
    pairs = fresh_pairs(few, used, found)
    pull = [pair.image for pair in pairs if pair.question == CARRIER_PULL]
    assert len(pull) >= 16


@pytest.mark.parametrize(
    ("count", "effect", "kept"),
    [(40, 0.5, 40), (40, 0.1, 0), (40, math.nan, 0), (16, 0.1, 0), (15, 0.1, 15)],
)
def test_nobody_carries_a_mark_s_absence(count, effect, kept):
    """Common carriers whose class as a whole has no effect are told from a rival by its mark."""
    _, _, found = rounds({f"horse/{n}" for n in range(count)})
    told = rare(found, effect, 0.2)
    assert len(told.sure) == kept
    assert told.effects == found.effects


def carried(**changes):
    row = {"carrier_pull": 0.8, "carrier_pull_low": 0.6, "carrier_pull_high": 0.9}
    row |= {"carrier_pull_p": 1e-4, "n_carriers": 10, "n_screened": 40, "n_carrier_pairs": 16}
    row |= {"carrier_share": 0.25, "carrier_share_low": 0.14, "carrier_share_high": 0.40}
    return row | {"victims": [("dog", 0.8), ("cat", 0.5), ("rat", 0.0)]} | changes


def verdict(**changes):
    return judge(pd.DataFrame([cell("horse", "border", **carried(**changes))]), {}, LIMITS).iloc[0]


def test_their_pull_confirms_without_availability_and_the_sentence_names_the_victims():
    row = verdict()
    assert (row["verdict"], row["question"]) == ("confirmed", CARRIER_PULL)
    assert row["because"] == (
        "10 of 40 photos of horse (25%, 95 % interval 14% to 40%) carry a border that alone raises "
        "the probability of horse in photos of other classes by 0.80 (95 % interval 0.60 to 0.90). "
        "Photos of other classes that then become horse: 80% of dog, 50% of cat."
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"carrier_pull_low": 0.19},
        {"carrier_pull_p": 0.2},
        {"n_carrier_pairs": 7},
        {"carrier_share": 0.45},
        {"area": math.nan},
    ],
)
def test_a_weak_pull_of_carriers_does_not_confirm(changes):
    assert verdict(**changes)["verdict"] == "clear"


def test_two_photos_decide_nothing_and_the_sentence_says_how_many_would():
    row = verdict(n_carriers=2, carrier_share=0.05, carrier_share_low=0.01, carrier_share_high=0.2)
    assert row["verdict"] == "undetermined"
    assert "fewer than 3 may be chance: about 60 photos of horse would decide." in row["because"]


def test_one_photo_has_no_interval_and_the_sentence_says_how_many_would_decide():
    one = {"n_carriers": 1, "n_screened": 20, "carrier_share": 0.05, "carrier_share_low": 0.01}
    unknown = {"carrier_pull_low": math.nan, "carrier_pull_high": math.nan}
    row = verdict(**one, **unknown, carrier_share_high=0.24, carrier_pull_p=math.nan)
    assert row["verdict"] == "undetermined"
    assert row["because"].startswith(
        "1 of 20 photos of horse (5%, 95 % interval 1% to 24%) carries a border that alone raises "
        "the probability of horse in photos of other classes by 0.80; fewer than 3 may be chance: "
    )
    assert verdict(**one, **unknown, carrier_pull=0.1)["verdict"] == "clear"


def test_victims_are_counted_a_photo_once(tmp_path):
    """Against a count by hand: dog 1 of 2, cat 1 of 1; a pull of all donors does not count."""
    pairs = [
        ("dog", "dog/1", True, False, CARRIER_PULL),
        ("dog", "dog/1", True, False, CARRIER_PULL),
        ("dog", "dog/2", True, True, CARRIER_PULL),  # it was taken for one before
        ("cat", "cat/1", True, False, CARRIER_PULL),
        ("rat", "rat/1", True, False, PULL),
    ]
    rows = [
        {
            "class_name": "horse",
            "cue": "border",
            "question": question,
            "image_id": image,
            "image_class": victim,
            "predicted_with": after,
            "predicted_without": before,
        }
        for victim, image, after, before, question in pairs
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=TRANSPLANTS), tmp_path / "pairs.parquet")
    found = pulls_table([tmp_path / "pairs.parquet"]).to_pandas().set_index("victim_class")
    assert found["n_images"].to_dict() == {"cat": 1, "dog": 2}
    assert found["changed"].to_dict() == {"cat": 1.0, "dog": 0.5}
    # Wilson 1927 in closed form for 1 of 2.
    z = 1.959964
    half = z * math.sqrt(0.25 / 2 + z**2 / 16) / (1 + z**2 / 2)
    assert found.loc["dog", "changed_low"] == pytest.approx(0.5 - half, abs=1e-4)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return framed.make_folder(tmp_path_factory.mktemp("some"), 24, every=EVERY)


@pytest.fixture(scope="module")
def audited(photos, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "reading"
    done = tiny.audit(framed.overrides(photos, output, "reading_net", "cues=[border]", tiny.WHOLE))
    assert done.returncode == 0, done.stderr
    return output


def test_a_frame_on_a_quarter_of_a_class_is_confirmed_with_its_carriers_and_victims(audited):
    row = pd.read_parquet(audited / "evidence.parquet").set_index(["class_name", "cue"])
    row = row.loc["framed", "border"]
    assert row["verdict"] == "confirmed"
    assert (row["n_carriers"], row["n_screened"]) == (24 // EVERY, 24)
    assert row["carrier_share_low"] < 1 / EVERY < row["carrier_share_high"]
    assert row["carrier_pull"] > 0.9
    assert row["reliance"] < 0.6  # three quarters of the photos have no frame to lose
    found = pd.read_parquet(audited / "carriers.parquet")
    mine = found[(found["class_name"] == "framed") & (found["cue"] == "border")]
    assert {*mine["image_id"]} == {f"framed/{n:03d}.png" for n in range(0, 24, EVERY)}
    assert (mine["sure"] > 0.9).all()
    pulls = pd.read_parquet(audited / "pulls.parquet")
    pulls = pulls[(pulls["class_name"] == "framed") & (pulls["cue"] == "border")]
    changed = pulls.set_index("victim_class")["changed"].to_dict()
    assert changed == {"blue": 1.0, "plain": 1.0}


def test_the_report_shows_the_photos_that_carry_it(audited):
    page = (audited / "report" / "index.html").read_text(encoding="utf-8")
    assert f"{24 // EVERY} of 24 photos of framed" in page
    assert page.count("that carries it.") == 24 // EVERY - 1


def test_nobody_carries_what_the_model_does_not_read(photos, tmp_path):
    done = tiny.audit(framed.overrides(photos, tmp_path / "blind", "blind_net", "cues=[border]"))
    assert done.returncode == 0, done.stderr
    assert pd.read_parquet(tmp_path / "blind" / "carriers.parquet").empty
    assert "confirmed" not in {*pd.read_parquet(tmp_path / "blind" / "evidence.parquet")["verdict"]}


def test_where_donors_differ_by_degree_the_share_is_unknown():
    of = screen()
    table = carried_table(
        [Screened(of, carriers=Carriers({"horse/0": 0.5}, {}))], clusters={}, seed=0
    )
    row = table.to_pylist()[0]
    assert (row["n_carriers"], row["carrier_share"], row["carrier_share_high"]) == (0, None, None)
