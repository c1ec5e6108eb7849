"""Pairs that share sites or donors are not counted as independent."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from xai_audit.evidence.effects import CueFacts, effects_table
from xai_audit.evidence.plan import OTHERS, OWN, Cell
from xai_audit.evidence.shared import shared_clusters
from xai_audit.schema import PULL, RELIANCE
from xai_audit.statistics.estimate import paired

N = 24


def pairs(question=RELIANCE, cue="border"):
    """N measured pairs of photos a0.. with donors of a and b, each of them given twice."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "cue": cue,
            "question": question,
            "image_id": [f"a{i}" for i in range(N)],
            "donor_with": [f"a{(i + 5) % 12}" for i in range(N)],
            "donor_without": [f"b{i % 12}" for i in range(N)],
            "p_with": rng.uniform(0.5, 1, N),
            "p_without": rng.uniform(0, 0.6, N),
            **dict.fromkeys(("log_odds_with", "log_odds_without"), 0.0),
            **dict.fromkeys(("correct_with", "correct_without"), True),
        }
    )


IDS = [f"{name}{i}" for name in "ab" for i in range(N)]
ALONE = {one: number for number, one in enumerate(IDS)}


def row(frame, clusters, *, way="both", measured_on=OWN):
    cell = Cell("a", "border", measured_on, (), ())
    cues = {"border": CueFacts(way, N)}
    table = effects_table([cell], frame, cues=cues, clusters=clusters, seed=3)
    return table.to_pylist()[0]


def ends(found, question=RELIANCE):
    return [found[f"{question}{end}"] for end in ("", "_low", "_high", "_p")]


def test_photos_of_their_own_have_the_interval_of_independent_pairs_to_the_last_bit():
    frame = pairs()
    differences = (frame["p_with"] - frame["p_without"]).to_numpy()
    expected = paired(differences, seed=3)
    found = row(frame, ALONE)
    assert ends(found) == [*vars(expected).values()]
    assert (found["n_images"], found["n_clusters"]) == (N, N)


def test_sites_of_photos_and_of_donors_count():
    frame = pairs()
    differences = (frame["p_with"] - frame["p_without"]).to_numpy()
    site = {one: int(one[1:]) % 6 + 10 * (one[0] == "b") for one in IDS}
    found = row(frame, site)
    columns = [
        [site[one] for one in frame[name]] for name in ("image_id", "donor_with", "donor_without")
    ]
    assert ends(found) == [
        *vars(paired(differences, seed=3, clusters=np.array(columns).T)).values()
    ]
    assert (found["n_images"], found["n_clusters"]) == (N, 6)
    # Near-duplicate donors alone make pairs share something too.
    twins = ALONE | {"b1": ALONE["b0"]}
    assert ends(row(frame, twins)) != ends(row(frame, ALONE))


def test_few_sites_have_no_interval():
    found = row(pairs(), {one: int(one[1:]) % 3 for one in IDS})
    assert found["reliance"] == pytest.approx(row(pairs(), ALONE)["reliance"])
    assert ends(found)[1:] == [None] * 3
    assert found["n_clusters"] == 3


def test_the_donor_of_what_is_put_on_does_not_count():
    frame = pairs(PULL)
    frame["donor_without"] = frame["image_id"]
    same = ALONE | {f"b{i}": ALONE["b0"] for i in range(N)}
    frame["donor_with"] = [f"b{i % 12}" for i in range(N)]
    added = {"way": "added", "measured_on": OTHERS}
    assert row(frame, same, **added) == row(frame, ALONE, **added)
    photos = [*zip(frame["image_id"], frame["donor_with"], frame["donor_without"], strict=True)]
    assert shared_clusters(photos, same) is None
    twins = ALONE | {"a1": ALONE["a0"]}
    assert shared_clusters(photos, twins).tolist() == [[twins[p[0]]] * 3 for p in photos]


def test_a_pair_that_failed_is_left_out_with_its_clusters():
    frame = pairs()
    site = {one: int(one[1:]) % 6 for one in IDS}
    frame.loc[3, ["p_with", "p_without"]] = np.nan
    assert ends(row(frame, site)) == ends(row(frame.drop(index=3), site))
