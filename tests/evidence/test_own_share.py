"""A cast is judged by the surroundings, the object's own share told beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests import tiny
from tests.evidence import casts, framed
from xai_audit.evidence.own_share import object_share, photos_included, spared, with_whole
from xai_audit.evidence.plan import OTHERS, OWN, Cell, Pair
from xai_audit.evidence.readings import CueReading

NAN = float("nan")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return casts.make_folder(tmp_path_factory.mktemp("casts"))


def evidence(photos, out, net, *more):
    """The rows of the colour cast of an audit, by class."""
    keys = [f"model.factory=tests.evidence.casts:{net}", "cues=[colour]", *more]
    command = framed.overrides(photos, out, net, *keys)
    if "masks=none" in more:
        command = [key for key in command if not key.startswith(("masks.root=", "masks=folder"))]
    done = tiny.audit(command)
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(out / "evidence.parquet")
    return table[table["cue"] == "colour"].set_index("class_name")


def test_what_the_model_sees_around_the_object_is_confirmed(photos, tmp_path):
    row = evidence(photos, tmp_path, "edge_net").loc["warm"]
    assert (row["verdict"], row["object_included"]) == ("confirmed", False)
    assert row["reliance"] > 0.5
    # The model does not look at the object, so that changing it too adds nothing.
    assert row["whole"] == pytest.approx(row["reliance"], abs=0.02)
    assert row["object_share"] == pytest.approx(0, abs=0.02)
    assert row["because"].endswith(": 0% of that is the object's own.")


def test_what_it_sees_on_the_object_alone_is_the_object_s_own(photos, tmp_path):
    row = evidence(photos, tmp_path, "middle_net").loc["warm"]
    # The surroundings tell the class, so that it is a cast and not the object's own colour.
    assert (row["verdict"], row["question"]) == ("confirmed", "whole")
    assert row["availability"] > 0.9
    assert row["reliance"] == pytest.approx(0, abs=0.01)
    assert row["whole_low"] > 0.3
    assert row["object_share"] == pytest.approx(1, abs=0.02)
    assert row["because"].endswith(": 100% of that is the object's own.")
    # The same pairs as around the object, and more of them: there 8 have shown that there is none.
    pairs = pd.read_parquet(tmp_path / "transplants")
    pairs = pairs[(pairs["cue"] == "colour") & (pairs["class_name"] == "warm")]
    key = ["image_id", "donor_with", "donor_without"]
    own, whole = (pairs[pairs["question"] == q].set_index(key) for q in ("reliance", "whole"))
    assert set(own.index) < set(whole.index)
    assert (len(own), len(whole)) == (8, 14)


def test_without_masks_the_object_s_own_colour_is_not_called_something_else(photos, tmp_path):
    rows = evidence(photos, tmp_path, "middle_net", "masks=none")
    row = rows.loc["blue"]  # its discs are blue, its light is not
    assert (row["verdict"], row["object_included"]) == ("confirmed", True)
    assert row["because"].endswith("so it may be the object's own.")
    assert np.isnan(row["whole"])
    assert np.isnan(row["object_share"])


def pairs(count: int, question: str = "reliance"):
    return tuple(Pair("a", "colour", question, f"{i}", f"w{i}", f"o{i}") for i in range(count))


def test_the_whole_photo_is_changed_in_some_of_the_same_pairs():
    plain = Cell("a", "colour", OWN, pairs(30), pairs(8, "pull"))
    assert with_whole(plain, None) is plain
    found = with_whole(plain, {"1"})
    assert [(p.question, p.image) for p in found.whole] == [
        ("whole", f"{i}") for i in range(30) if i != 1
    ][:24]
    assert found.questions[:3] == plain.questions[:3]
    others = replace(plain, measured_on=OTHERS, reliance=())
    assert [p.image for p in with_whole(others, set()).whole] == [f"{i}" for i in range(8)]


def reading(included):
    nothing = np.full(len(included), np.nan)
    usable = np.ones(len(included), bool)
    return CueReading("colour", "both", False, nothing, nothing, usable, np.array(included))


def test_photos_without_a_mask_are_left_out_where_enough_others_have_one():
    masked = reading([0.0] * 6 + [1.0] * 3 + [0.0] * 5 + [1.0])
    pools = {"a": [8, 0, 1, 2, 6, 3, 4, 5, 7], "b": [14, 9, 10, 11, 12, 13]}
    assert spared(pools, masked) == {"a": [0, 1, 2, 3, 4, 5], "b": pools["b"]}
    ids = [f"{place}" for place in range(15)]
    assert photos_included(masked, ids) == {"6", "7", "8", "14"}
    assert photos_included(reading([NAN] * 15), ids) is None
    assert spared(pools, reading([NAN] * 15)) == pools


def rows(with_, without):
    keys = {k: [f"{k}{i}" for i in range(len(with_))] for k in ("image_id",)}
    donors = {"donor_with": ["w"] * len(with_), "donor_without": ["o"] * len(with_)}
    return pd.DataFrame(keys | donors | {"p_with": with_, "p_without": without})


def test_the_share_is_that_of_the_same_pairs():
    whole = rows([0.9, 0.8, 0.9, 0.9], [0.1, 0.1, 0.1, 0.1])  # effects .8 .7 .8 .8
    around = rows([0.3, 0.2, 0.4, 0.2, 1.0], [0.1, 0.1, 0.1, 0.0, 0.0])  # .2 .1 .3 .2, and another
    assert object_share(whole, around) == pytest.approx(1 - 0.8 / 3.1)
    assert np.isnan(object_share(rows([0.5, 0.4], [0.5, 0.5]), around))
    assert np.isnan(object_share(whole.iloc[:0], around))
