"""Two audits with known effects: what vanished, appeared, stayed, and what they do not share."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

import xai_audit
from tests import tiny
from tests.bench.compare import changed_between_seeds
from tests.compare.runs import MadeUp, around
from xai_audit import schema
from xai_audit.compare.comparison import compare
from xai_audit.compare.shared import names_of
from xai_audit.compare.words import word
from xai_audit.errors import ConfigError, OutputError


def words(found):
    return found.table.set_index(["class_name", "cue"])["word"].to_dict()


def test_planted_changes_have_their_words(cured):
    found = compare(cured)
    assert found.names == ("before", "after")
    assert words(found) == {
        ("rose", "border"): "vanished",
        ("rose", "background"): "no change",
        ("tulip", "border"): "no change",
        ("tulip", "corner"): "appeared",
        ("tulip", "background"): "unclear",
    }
    row = found.table.iloc[0]
    assert (row["verdict_reference"], row["verdict"]) == ("confirmed", "clear")
    assert (row["compared"], row["n_compared"], row["n_reference"]) == ("pairs", 8, 20)
    assert row["effect_reference"] == pytest.approx(0.8, abs=0.05)
    assert row["difference"] == pytest.approx(-0.8, abs=0.05)
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    assert row["difference_q"] == pytest.approx(
        stats.false_discovery_control(found.table["difference_p"])[0]
    )
    assert re.search(
        r"fell by 0\.\d\d \(95 % interval −0\.\d\d to −0\.\d\d\); 8 pairs", row["because"]
    )


def test_the_other_way_round_is_the_other_word(cured):
    found = words(compare(cured[::-1]))
    assert found["rose", "border"] == "appeared"
    assert found["tulip", "corner"] == "vanished"


def test_the_answer_says_what_is_gone_left_and_new(cured):
    text = repr(compare(cured))
    assert (
        "1 of 2 confirmed cells is gone: rose by its border; "
        "1 is left: rose by its background (no change); 1 appeared: tulip by its corner."
    ) in text
    assert "accuracy 97.9% to 97.9% (0.0 points, 95 % interval " in text
    assert "2 of 48 shared photos are predicted differently" in text


def test_photos_are_compared_one_by_one(cured):
    """Accuracy, mass and rank correlation against pandas and SciPy on the same tables."""
    found = compare(cured)
    measures = found.measures.set_index(["measure", "class_name"])
    assert measures.loc[("accuracy", "tulip"), "reference"] == pytest.approx(23 / 24)
    assert measures.loc[("accuracy", "rose"), "difference"] == 0
    border = measures.loc[("mass_border", "")]
    assert border["difference"] == pytest.approx(0.05)
    assert (border["compared"], border["n_images"]) == ("images", 48)
    maps = [run.collect("attributions").set_index("image_id")["heatmap"] for run in cured]
    rho = [stats.spearmanr(maps[0][one], maps[1][one]).statistic for one in maps[0].index]
    assert measures.loc[("rank_correlation", ""), "value"] == pytest.approx(np.mean(rho))
    core = measures.loc[("core_accuracy", "rose")]
    pairs = [run.collect("transplants") for run in cured]
    right = [p[(p["cue"] == "background") & (p["class_name"] == "rose")] for p in pairs]
    assert core["value"] == pytest.approx(right[1]["correct_without"].mean())
    assert {*found.disagreements["image_id"]} == {"tulip/0.jpg", "tulip/1.jpg"}
    first = found.disagreements.set_index("image_id").loc["tulip/0.jpg"]
    assert (first["pred_reference"], first["pred"]) == ("rose", "tulip")
    assert (first["right_reference"], first["right"]) == (False, True)


def test_other_photos_are_compared_unpaired_and_said(strangers):
    """Twelve names are in both, but other photos lie behind them."""
    found = compare(strangers)
    assert found.common[0].photos == frozenset()
    assert found.common[0].changed == 24
    assert {*found.table["compared"]} == {"unpaired"}
    assert words(found) == {("rose", "border"): "vanished", ("tulip", "border"): "no change"}
    assert "without a shared photo all is compared unpaired" in repr(found)
    assert {*found.measures["compared"]} == {"unpaired"}
    assert found.disagreements.empty


def test_settings_that_differ_are_said(cured, tmp_path):
    other = MadeUp(tmp_path / "third" / "gradcam", seed=7, record={"regions": {"border": 0.12}})
    other.cell("rose", "border", around(0.8, 20, 1))
    text = repr(compare([cured[0], other.write()]))
    assert "settings that differ: seed 0, then 7; regions.border None, then 0.12" in text
    assert "shared: 48 photos (of 48 and 48), 1 class, 1 class × cue" in text
    assert "; 4 in one audit alone" in text


def test_several_runs_share_one_correction(cured, tmp_path):
    third = (
        MadeUp(tmp_path / "third" / "gradcam").cell("rose", "border", around(0.8, 20, 1)).write()
    )
    found = compare([*cured, third])
    assert found.names == ("before", "after", "third")
    p = found.table["difference_p"].to_numpy()
    known = ~np.isnan(p)
    assert found.table["difference_q"].to_numpy()[known] == pytest.approx(
        stats.false_discovery_control(p[known])
    )
    assert "third: The one" not in repr(found)
    assert "third: None of the 2 confirmed cells is gone" in repr(found)


@pytest.mark.parametrize(
    ("value", "low", "high", "q", "verdicts", "expected"),
    [
        (-0.5, -0.6, -0.4, 0.01, ("confirmed", "confirmed"), "better"),
        (-0.5, -0.6, -0.4, 0.01, ("confirmed", "undetermined"), "better"),
        (-0.5, -0.6, -0.4, 0.01, ("confirmed", "clear"), "vanished"),
        (-0.5, -0.6, -0.4, 0.20, ("confirmed", "clear"), "unclear"),
        (0.5, 0.4, 0.6, 0.01, ("clear", "confirmed"), "appeared"),
        (0.5, 0.4, 0.6, 0.01, ("undetermined", "confirmed"), "worse"),
        (0.15, 0.05, 0.25, 0.01, ("clear", "clear"), "worse"),
        (0.08, 0.06, 0.09, 0.01, ("clear", "confirmed"), "no change"),
        (0.08, 0.02, 0.14, 0.01, ("clear", "clear"), "unclear"),
        (np.nan, np.nan, np.nan, np.nan, ("confirmed", None), "unclear"),
    ],
)
def test_words(value, low, high, q, verdicts, expected):
    row = {"difference": value, "difference_low": low, "difference_high": high, "difference_q": q}
    row |= dict(zip(("verdict_reference", "verdict"), verdicts, strict=True))
    assert word(row, noise=0.1, q=0.05) == expected


def test_two_seeds_of_one_model_change_hardly_a_cell(tmp_path):
    changed, total = changed_between_seeds(tmp_path, 10, 8, seed=0)
    assert total == 80
    assert changed <= 0.05 * total


def test_real_audits_ask_the_same_pairs_and_two_seeds_agree(folder, tmp_path):
    """Of one network with two seeds, and of another network with the same seed."""
    some = "stages=[index,attribute,score,evidence]"
    for name, more in (("first", []), ("seed", ["seed=1"]), ("other", ["+model.kwargs.seed=1"])):
        given = tiny.overrides(folder, tmp_path / name, some, "cues=[border,background]", *more)
        done = tiny.audit(given)
        assert done.returncode == 0, done.stderr
    runs = {name: xai_audit.load(tmp_path / name) for name in ("first", "seed", "other")}
    again = runs["first"].compare(runs["seed"])
    assert {*again.table["word"]} <= {"no change", "unclear"}
    assert again.disagreements.empty
    rank = again.measures[again.measures["measure"] == "rank_correlation"]
    assert rank["value"].to_numpy() == pytest.approx(1)
    other = runs["first"].compare(runs["other"])
    reliant = other.table[other.table["question"] == "reliance"]
    assert {*reliant["compared"]} <= {"pairs", "images"}
    assert "pairs" in {*reliant["compared"]}
    assert len(other.common[0].photos) == 18


def test_carriers_that_one_run_alone_found_are_asked_in_both(tmp_path):
    """Where nobody carries any more, the effect of the same donors is that of the screening."""
    runs = []
    for name, effect in (("before", 0.9), ("after", 0.0)):
        run = MadeUp(tmp_path / name).cell("rose", "corner", around(0.0, 20, 1))
        ids, victims = run.ids("rose"), run.ids("tulip")
        carriers = ids[:6]
        asked = [("screening", one, victims[:2]) for one in ids]
        if effect:
            asked += [("carrier_pull", one, victims[2:4]) for one in carriers]
        for question, donor, photos in asked:
            for number, photo in enumerate(photos):
                change = (effect if donor in carriers else 0.0) + 0.01 * number
                change += 0.01 * (ids.index(donor) % 3)
                run.pairs.append(
                    {"class_name": "rose", "cue": "corner", "question": question}
                    | {"image_id": photo, "donor_with": donor, "donor_without": ids[-1]}
                    | {"p_with": 0.05 + change, "p_without": 0.05}
                )
        if effect:
            run.evidence[0] |= {"verdict": "confirmed", "question": "carrier_pull"}
            run.evidence[0] |= {"carrier_pull": 0.9}
        made = run.write()
        if effect:
            rows = [{"class_name": "rose", "cue": "corner", "image_id": one} for one in carriers]
            table = pd.DataFrame(rows).reindex(columns=schema.CARRIERS.names)
            pq.write_table(
                pa.Table.from_pandas(table, schema.CARRIERS, preserve_index=False),
                made.paths.carriers,
            )
        runs.append(made)
    row = compare(runs).table.iloc[0]
    assert (row["question"], row["compared"], row["word"]) == (
        "carrier_pull",
        "unpaired",
        "vanished",
    )
    assert row["difference"] == pytest.approx(-0.9, abs=0.02)


def test_regions_found_in_each_run_are_not_taken_for_one(tmp_path):
    made = [
        MadeUp(tmp_path / name)
        .cell("rose", "cluster_1", around(0.8, 20, 1))
        .cell("rose", "border", around(0, 8, 2))
        .write()
        for name in ("before", "after")
    ]
    for number, run in enumerate(made):
        row = dict.fromkeys(schema.CLUSTERS.names) | {"class_name": "rose", "cue": "cluster_1"}
        row |= {"cluster": 1, "region": [number, 1, 0, 0], "height": 2, "width": 2}
        pq.write_table(pa.Table.from_pylist([row], schema.CLUSTERS), run.paths.clusters)
    found = compare([xai_audit.load(run.root) for run in made])
    alone = found.table[found.table["cue"] == "cluster_1"]
    assert [*alone["because"]] == ["before alone has this cell.", "after alone has this cell."]


def test_nothing_shared_is_one_line(cured, tmp_path):
    other = MadeUp(tmp_path / "c", classes=("oak", "elm")).cell("oak", "border", around(0, 8, 0))
    done = tiny.audit(["compare", str(cured[0].root), str(other.write().root)])
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("xai_audit: nothing to compare: the audits share no class and cue: ")
    assert "0 shared classes" in line


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["noise=much"], "no such threshold: noise | expected a number"),
        (["noise=2"], "no such threshold: noise | expected a change of probability"),
        (["nose=0.2"], "no such key of a comparison: nose | expected a folder, or one of noise"),
        (["output_dir=s3://x/y"], "a comparison is written to this machine: output_dir"),
        (["{photos}"], "this folder holds no run: "),
    ],
)
def test_what_cannot_work_is_one_line(cured, tmp_path, extra, said):
    extra = [each.replace("{photos}", str(tmp_path)) for each in extra]
    done = tiny.audit(["compare", *(str(run.root) for run in cured), *extra])
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"xai_audit: {said}")


def test_one_audit_is_no_comparison(cured):
    for folders in ([cured[0]], [cured[0], cured[0]]):
        with pytest.raises(ConfigError, match="two different audits are needed"):
            compare(folders)


def test_a_folder_with_something_else_is_left_alone(cured, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("x")
    with pytest.raises(OutputError, match="holds no comparison"):
        compare(cured).save(tmp_path / "mine")
    assert [*(tmp_path / "mine").iterdir()] == [tmp_path / "mine" / "diary.txt"]


def test_the_command_writes_tables_and_page_without_torch(cured):
    code = (
        "import sys\nfrom xai_audit.cli import main\n"
        f"sys.argv = ['xai-audit', 'compare', {str(cured[0].root)!r}, {str(cured[1].root)!r}]\n"
        "code = main()\nprint(code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0 False\n"
    page = Path(re.search(r"comparison: (\S+)$", done.stderr.strip())[1])
    assert page == cured[1].root.parent / "comparison" / "index.html"
    for name, columns in (
        ("comparison", schema.COMPARISON),
        ("measures", schema.MEASURES),
        ("disagreements", schema.DISAGREEMENTS),
    ):
        assert pq.read_schema(page.parent / f"{name}.parquet").remove_metadata() == columns
    again = tiny.audit(["compare", *(str(run.root) for run in cured), "noise=0.3"])
    assert again.returncode == 0, again.stderr
    assert "changes of less than 0.3 are taken for noise" in again.stderr


def test_a_notebook_shows_the_answer(cured):
    runs = [xai_audit.load(run.root) for run in cured]
    found = runs[0].compare(runs[1])
    assert found.table.equals(runs[0].compare(str(runs[1].root)).table)
    assert "1 of 2 confirmed cells is gone" in found._repr_html_()
    assert words(runs[0].compare(runs[1], noise=0.95))["rose", "border"] != "vanished"


def test_names_are_escaped(tmp_path):
    odd = "<script>alert(1)</script>"
    made = [
        MadeUp(tmp_path / name, classes=(odd, "tulip"), wrong={f"{odd}/0.jpg": wrong})
        .cell(odd, "border", around(effect, 20, 1))
        .write()
        for name, effect, wrong in (("<b>before", 0.8, "tulip"), ("after&", 0.0, odd))
    ]
    found = compare(made)
    html = found.save(tmp_path / "out").read_text(encoding="utf-8")
    for text in (html, found._repr_html_()):
        assert "<script>alert" not in text
        assert "<b>before" not in text
        assert "&lt;script&gt;alert(1)" in text


def test_runs_go_by_what_tells_them_apart():
    paths = ["/a/photos/resnet18-old/gradcam", "/a/photos/resnet18-new/gradcam"]
    assert names_of([Path(p) for p in paths]) == ["resnet18-old", "resnet18-new"]
    assert names_of([Path("/a/b"), Path("/a/b/c")]) == ["b", "b/c"]
    assert names_of([Path("/a/x/gradcam"), Path("/a/y/lime")]) == ["x/gradcam", "y/lime"]
