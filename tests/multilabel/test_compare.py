"""Two audits of photos with several labels: decisions are compared class by class."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import xai_audit
from tests import tiny
from tests.compare.runs import MadeUp, around
from tests.multilabel import rendered
from tests.multilabel.test_audit import NAMES, truth
from xai_audit.compare.decided import _decisions, keyed
from xai_audit.errors import OutputError

pytestmark = [pytest.mark.xdist_group("multilabel"), pytest.mark.timeout(300)]
LIMIT = 0.965


@pytest.fixture(scope="module")
def stricter(photos, tmp_path_factory):
    """The same model, which decides for a class from another probability on."""
    out = tmp_path_factory.mktemp("stricter") / "out"
    done = tiny.audit(
        rendered.overrides(
            photos,
            out,
            "stages=[index,attribute,score,evidence]",
            "cues=[corner_top_left,corner_bottom_right]",
            "evidence.permutations=20",
            f"thresholds={LIMIT}",
        )
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def compared(audited, stricter):
    return xai_audit.load(audited[1]).compare(stricter)


def test_decisions_are_those_of_a_loop(photos, compared):
    known = truth(photos)
    was, now = (known["p"] >= limit for limit in (0.5, LIMIT))
    assert (was != now).any()
    rows = compared.measures[compared.measures["measure"] == "accuracy"].set_index("class_name")
    for name in ("", *NAMES):
        own = known["class_name"].eq(name) if name else known["class_name"].notna()
        for end, decided in (("reference", was), ("value", now)):
            expected = (decided == known["has"])[own].mean()
            assert rows.loc[name, end] == pytest.approx(expected), (name, end)
        assert rows.loc[name, "n_images"] == known["image_id"].nunique()
    differ = known[was != now]
    found = compared.disagreements
    assert {*zip(found["image_id"], found["class_name"], strict=True)} == {
        *zip(differ["image_id"], differ["class_name"], strict=True)
    }
    assert (found["pred"] == "no " + found["class_name"]).all()
    assert (found["pred_reference"] == found["class_name"]).all()
    right = known.set_index(["image_id", "class_name"])["has"]
    has = right.loc[[*zip(found["image_id"], found["class_name"], strict=True)]].to_numpy()
    assert (found["right_reference"] == has).all()
    assert (found["right"] == ~has).all()


def test_the_same_network_has_the_same_cells_and_maps(compared):
    assert {*compared.table["word"]} == {"no change"}
    rows = compared.measures
    same = rows[rows["measure"] == "rank_correlation"]
    assert {*same["class_name"]} == {"", *NAMES}
    assert same["n_images"].max() <= 40  # photos, whatever labels they have
    np.testing.assert_allclose(same["value"], 1, atol=1e-6)
    masses = rows[rows["measure"].str.startswith("mass_")]
    np.testing.assert_allclose(masses["difference"].dropna(), 0, atol=1e-6)


def test_the_page_and_the_gate(audited, stricter, compared, tmp_path):
    text = repr(compared)
    count = compared.disagreements["image_id"].nunique()
    assert f"{count} of 40 shared photos are decided differently for a class" in text
    page = compared.save(tmp_path / "page").read_text(encoding="utf-8")
    assert "no bright" in page
    done = tiny.audit(["gate", str(stricter), f"gate.no_worse_than={audited[1]}"])
    assert "of 4 shared cells confirmed and worse; accuracy" in done.stdout + done.stderr
    assert "40 photos in common" in done.stdout + done.stderr


def test_one_label_is_not_compared_with_several(audited, tmp_path):
    made_up = MadeUp(tmp_path / "one").cell("rose", "border", around(0.0, 24, seed=1)).write()
    said = "one label and photos of several are not compared"
    with pytest.raises(OutputError, match=said):
        xai_audit.load(audited[1]).compare(made_up.root)
    done = tiny.audit(["gate", str(audited[1]), f"gate.no_worse_than={made_up.root}"])
    assert said in done.stdout + done.stderr


def test_what_has_no_finite_scores_is_decided_for_nothing():
    """As in decisions.parquet: a label that such a photo has is missed, and no other is wrong."""
    photos = pd.DataFrame({"class_name": ["bright|marked"]}, index=pd.Index(["a"], name="image_id"))
    run = SimpleNamespace(decisions=pd.DataFrame({"class_name": [*NAMES, "other"]}))
    side = SimpleNamespace(photos=photos, run=run, several_labels=True)
    rows = {"image_id": ["a", "a"], "class_name": [*NAMES], "label": [0, 1], "pred": [0.0, np.nan]}
    known = keyed(side, pd.DataFrame(rows | {"confidence": [0.9, np.nan]}))
    found = _decisions(side, known)
    assert found["pred"].tolist() == ["bright", "no marked", "no other"]
    assert found["right"].tolist() == [True, False, True]
