"""A planted truth from the outside: marked is decided by the corner, bright by the object."""

from __future__ import annotations

import base64
import json

import numpy as np
import pandas as pd
import pytest

import xai_audit
from tests import tiny
from tests.multilabel import rendered
from xai_audit.schema import ABSENT

NAMES = ("bright", "marked")
pytestmark = [pytest.mark.xdist_group("multilabel"), pytest.mark.timeout(300)]


def truth(photos) -> pd.DataFrame:
    """A row a photo and class, by a loop of its own: whether it has the class, and p of it."""
    table = pd.read_csv(photos / "photos.csv", keep_default_na=False)
    rows = []
    for path, text in zip(table["path"], table["labels"], strict=True):
        p = rendered.probabilities(photos / path)
        rows += [(path, n, n in text.split("|"), p[k]) for k, n in enumerate(NAMES)]
    return pd.DataFrame(rows, columns=["image_id", "class_name", "has", "p"])


def check_decisions(out, known: pd.DataFrame, limits: dict[str, float]) -> None:
    """Compare the tables with decisions made here."""
    known = known.assign(yes=known["p"] >= known["class_name"].map(limits))
    for row in pd.read_parquet(out / "decisions.parquet").to_dict("records"):
        mine = known[known["class_name"] == row["class_name"]]
        assert row["threshold"] == limits[row["class_name"]]
        assert row["found"] == (mine["has"] & mine["yes"]).sum()
        assert row["missed"] == (mine["has"] & ~mine["yes"]).sum()
        assert row["false_alarms"] == (~mine["has"] & mine["yes"]).sum()
        assert row["accuracy"] == pytest.approx((mine["has"] == mine["yes"]).mean())
    scores = pd.read_parquet(out / "scores")
    wanted = known[known["has"] | known["yes"]]
    both = scores.merge(wanted, on=["image_id", "class_name"], how="outer", indicator=True)
    assert (both["_merge"] == "both").all()
    index = both["class_name"].map(NAMES.index)
    assert (both["target"] == index).all()
    assert (both["label"] == index.where(both["has"], ABSENT)).all()
    assert (both["pred"] == index.where(both["yes"], ABSENT)).all()
    assert (both["target_kind"] == np.where(both["has"], "label", "pred")).all()
    sure = both["p"].where(both["yes"], 1 - both["p"])
    np.testing.assert_allclose(both["confidence"], sure, atol=1e-5)


def test_decisions_are_those_of_a_loop_of_its_own(photos, audited):
    log, out = audited
    check_decisions(out, truth(photos), dict.fromkeys(NAMES, 0.5))
    assert "multi-label: a photo may have several labels (photos.csv has the column labels)" in log
    assert "model.head=sigmoid (for that reason)" in log
    assert "from the probability 0.5 on" in log
    noted = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert noted["several_labels"] == "photos.csv has the column labels"
    assert noted["model"]["thresholds"] == {"bright": 0.5, "marked": 0.5}
    assert noted["model"]["head"] == "sigmoid"
    assert "of 80 decisions (photo × class) are right; balanced accuracy" in log


def test_other_thresholds_change_the_decisions(photos, tmp_path):
    known = truth(photos)
    limits = {"bright": 0.5, "marked": float(known[known["has"]]["p"].quantile(0.6))}
    more = [f"thresholds={{marked: {limits['marked']}}}", "stages=[index,attribute,score]"]
    done = tiny.audit(rendered.overrides(photos, tmp_path, *more, table="columns.csv"))
    assert done.returncode == 0, done.stderr
    assert "(columns.csv has a column a class)" in done.stderr
    check_decisions(tmp_path, known, limits)


def test_the_corner_is_confirmed_of_the_class_that_it_decides(audited):
    evidence = pd.read_parquet(audited[1] / "evidence.parquet")
    found = evidence[evidence["verdict"] == "confirmed"]
    assert [*zip(found["class_name"], found["cue"], strict=True)] == [("marked", "corner_top_left")]
    bright = evidence[(evidence["class_name"] == "bright") & (evidence["cue"] == "corner_top_left")]
    assert abs(bright["reliance"].iloc[0]) < 0.01
    assert abs(bright["pull"].iloc[0]) < 0.01


def test_no_donor_and_no_victim_shares_the_class(photos, audited):
    has = truth(photos).set_index(["image_id", "class_name"])["has"]
    pairs = pd.read_parquet(audited[1] / "transplants")
    assert {"reliance", "pull"} <= {*pairs["question"]}

    def of(column: str, rows: pd.DataFrame) -> pd.Series:
        return has.loc[[*zip(rows[column], rows["class_name"], strict=True)]]

    assert of("donor_with", pairs).all()
    carried = pairs["question"].isin(["carrier_pull", "carrier_reliance", "victim"])
    assert not of("donor_without", pairs[~carried]).any()
    # A carrier is compared with the other photos of its class.
    assert of("donor_without", pairs[carried & pairs["question"].ne("victim")]).all()
    own = pairs["question"].isin(["reliance", "carrier_reliance"])
    assert of("image_id", pairs[own]).all()
    assert (pairs["image_class"] == pairs["class_name"])[own].all()
    assert not of("image_id", pairs[~own]).any()
    # Right is a decision for the photos that have the class, and none for those that lack it.
    for end in ("with", "without"):
        yes = pairs[f"p_{end}"] >= 0.5
        assert (pairs[f"predicted_{end}"] == yes).all()
        assert (pairs[f"correct_{end}"] == (yes == own)).all()


def test_a_mistake_is_a_wrong_decision(photos, audited):
    known = truth(photos)
    wrong = known[known["has"] != (known["p"] >= 0.5)]
    flags = pd.read_parquet(audited[1] / "flags.parquet")
    mistakes = flags[flags["reason"] == "mistake"]
    pairs = [{*zip(of["image_id"], of["class_name"], strict=True)} for of in (wrong, mistakes)]
    assert pairs[0] == pairs[1]
    assert len(mistakes) == len(wrong)


def test_the_report_speaks_of_decisions(audited):
    log, out = audited
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "Decisions that are right" in page
    assert "Decided for it" in page
    assert "no marked → marked" in page
    assert "bright → no bright" in page
    assert "names the right class" not in page
    assert "boundary: no classes are compared" in log
    assert "photos with several labels are not attacked" in log


def test_a_photo_is_shown_for_each_of_its_labels(photos, audited):
    run = xai_audit.load(audited[1])
    maps = {name: run.heatmap("0_00.png", class_name=name) for name in NAMES}
    corner = {name: np.nansum(m[:16, :16]) / np.nansum(m) for name, m in maps.items()}
    assert corner["marked"] > 0.9
    assert corner["bright"] < 0.1
    assert run.show("0_00.png", class_name="marked").rows["class → predicted"].startswith("marked")
    assert run.decisions["class_name"].tolist() == [*NAMES]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("targets=[top:2]", "not a target of photos with several labels: targets .*got top:2"),
        ("model.head=softmax", "need a probability of each class: model.head .*sigmoid or null"),
        ("thresholds=2", "not a threshold: thresholds"),
    ],
)
def test_what_does_not_fit_is_one_line(photos, tmp_path, more, message):
    done = tiny.audit(rendered.overrides(photos, tmp_path / "out", more))
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()[-1:]
    assert pd.Series([line]).str.contains(message).all(), line
    assert not (tmp_path / "out" / "manifest.parquet").exists()


def test_one_logit_is_not_two_classes(photos, tmp_path):
    more = "model.factory=tests.multilabel.rendered:one_logit"
    done = tiny.audit(rendered.overrides(photos, tmp_path / "out", more))
    assert done.returncode == 2
    assert "one logit is the probability of one class: model" in done.stderr.splitlines()[-1]


def test_the_page_to_explore_has_a_row_a_label_and_wrong_decision(photos, audited):
    folder = audited[1] / "report" / "explore"
    data = {file.stem: read_data(file) for file in folder.glob("*.js")}
    index, known = data["index"], truth(photos)
    known["yes"] = known["p"] >= 0.5
    shown = known[known["has"] | known["yes"]]
    ids = [f"{row.image_id} · {row.class_name}" for row in shown.itertuples()]
    part = data["rows-00000"]  # there are fewer rows than in a slice
    assert part["ids"] == sorted(ids)
    assert (index["count"], index["what"]) == (len(ids), "decisions")
    said = {
        one: (index["names"][label], index["names"][pred])
        for one, label, pred in zip(part["ids"], part["label"], part["pred"], strict=True)
    }
    for one, row in zip(ids, shown.itertuples(), strict=True):
        words = [
            name if yes else f"no {name}"
            for name, yes in ((row.class_name, row.has), (row.class_name, row.yes))
        ]
        assert said[one] == tuple(words)
    flagged = {row for row, flags in part["flags"].items() if any(f[0] == "mistake" for f in flags)}
    wrong = shown[shown["has"] != shown["yes"]]
    assert {part["ids"][int(row)] for row in flagged} == {
        f"{row.image_id} · {row.class_name}" for row in wrong.itertuples()
    }


def test_each_label_has_its_own_heatmap_on_that_page(audited):
    folder = audited[1] / "report" / "explore"
    data = {file.stem: read_data(file) for file in folder.glob("*.js")}
    ids = data["rows-00000"]["ids"]
    share = {"bright": [], "marked": []}  # of the relevance, what lies in the top left quarter
    for name, rows in data["index"]["sheets"]:
        (kind,) = {ids[row].split(" · ")[1] for row in rows}
        for height, width, text in filter(None, next(iter(data[name]["heat"].values()))):
            level = np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width)
            corner = level[: height // 4, : width // 4].sum()
            share[kind].append(corner / level.astype(float).sum())
    assert sum(map(len, share.values())) == len(ids)
    assert min(share["marked"]) > 0.9
    assert max(share["bright"]) < 0.1


def read_data(file):
    """What a file of data hands to the page."""
    text = file.read_text(encoding="utf-8")
    return json.loads(text[text.index(",") + 1 : text.rindex(")")])


def test_a_view_is_of_photos_and_classes(photos, audited):
    run = xai_audit.load(audited[1])
    known = truth(photos)
    wrong = known[known["has"] != (known["p"] >= 0.5)]
    found = run.view(wrong=True)
    assert [*zip(found.photos["image_id"], found.photos["class_name"], strict=True)] == sorted(
        zip(wrong["image_id"], wrong["class_name"], strict=True)
    )
    html = found._repr_html_()
    assert "no marked → marked" in html
    assert html.count("data:image/jpeg") == min(len(wrong), 12)
    assert found.url.endswith("explore.html#right=wrong")
