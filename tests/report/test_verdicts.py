from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.report.conftest import CLASSES, FLAGS_AT, SMALL, no_mask, table
from tests.report.test_page import Page, check_links, reported
from xai_audit.errors import MaskProblem, OutputError
from xai_audit.flags.outliers import write_flags
from xai_audit.report import answers, page, verdicts
from xai_audit.report.answers import Finding, probabilities, read_findings, worst_first
from xai_audit.report.draw import draw_pictures
from xai_audit.report.facts import read_facts
from xai_audit.report.lead import lead
from xai_audit.report.spotlight import spotlights
from xai_audit.report.verdicts import matrix
from xai_audit.run.reader import Run
from xai_audit.run.verdicts import kinds_of_run
from xai_audit.schema import CLUSTERS, EVIDENCE, GROUPS, SUMMARY, TRANSPLANTS, VERDICTS

EMPTY = dict.fromkeys(EVIDENCE.names)


def finding(
    name: str = "daisy",
    cue: str = "border",
    verdict: str = "confirmed",
    effect: float | None = 0.8,
    **row,
) -> Finding:
    ends = (None, None) if effect is None else (effect - 0.1, effect + 0.05)
    because = f"Because of {name} & {cue}."
    return Finding(name, cue, verdict, because, "reliance", effect, *ends, EMPTY | row)


def cell(name: str, cue: str, verdict: str = "clear", **more) -> dict:
    row = {"class_name": name, "cue": cue, "method": "gradcam", "verdict": verdict}
    row |= {"question": "reliance" if verdict == "confirmed" else None}
    return row | {"because": f"Said of {name} and <{cue}>", "n_images": 24} | more


def relied(value: float, question: str = "reliance") -> dict:
    return {
        question: value,
        f"{question}_low": value - 0.07,
        f"{question}_high": value + 0.03,
    }


def write(paths, rows, *, summary=(), groups=(), pairs=()) -> None:
    pq.write_table(table(list(rows), EVIDENCE), paths.evidence)
    pq.write_table(table(list(summary), SUMMARY), paths.summary)
    pq.write_table(table(list(groups), GROUPS), paths.groups)
    paths.transplants.mkdir(exist_ok=True)
    for number, pair in enumerate(pairs):
        part = paths.part(paths.transplants, number)
        pq.write_table(table([pair | {"image_id": "x"}], TRANSPLANTS), part)


@pytest.fixture
def answered(tiny_run):
    """Daisy relies on its border, which explains its background; tulip has open questions."""
    write(
        tiny_run,
        [
            cell("daisy", "border", "confirmed", **relied(0.81), availability=0.99)
            | {"accuracy_agree": 0.98, "accuracy_disagree": 0.25, "n_agree": 55, "n_disagree": 4}
            | {"accuracy_with": 0.97, "accuracy_without": 0.2, "core_accuracy": 0.6}
            | {"mass": 0.24, "area": 0.08, "attention": 0.16},
            cell("daisy", "background", "suspected", **relied(0.6), explained_by="border"),
            cell("daisy", "jpeg_quality", "available", **relied(0.01, "pull")),
            cell("tulip", "border", "clear", **relied(0.0)),
            cell("tulip", "background", "undetermined", n_images=0),
            cell("tulip", "jpeg_quality", "undetermined", n_images=5, **relied(0.15, "pull")),
        ],
        summary=[
            {"cue": "background", "gap": 0.05, "accuracy_with": 0.9, "accuracy_without": 0.85},
            {"cue": "border", "gap": 0.3, "accuracy_with": 0.96, "accuracy_without": 0.66}
            | {"gap_low": 0.25, "gap_high": 0.35, "n_images": 48}
            | {"worst_class": "daisy", "worst_gap": 0.77},
            {"cue": "all", "gap": 0.29, "accuracy_with": 0.97, "accuracy_without": 0.68},
        ],
        groups=[
            {"class_name": "daisy", "group": "studio", "n_images": 8, "accuracy": 0.9},
            {"class_name": "daisy", "group": "field", "n_images": 4, "accuracy": 0.25},
        ],
        pairs=[
            {"class_name": "daisy", "cue": "border", "question": "reliance"}
            | {"p_with": p, "p_without": p - 0.81, "given": given}
            for p, given in ((0.9, None), (1.0, None), (0.1, "background"))
        ],
    )
    return tiny_run


def test_the_page_starts_with_the_answer(answered):
    seen = reported(answered)
    check_links(seen)
    told = seen.words
    answer = "1 of 2 classes is decided by something other than the object: daisy by its border."
    assert answer in told
    assert "accuracy goes from 97% to 68%." in told
    assert "2 of 6 pairs of class and cue are undetermined" in told
    assert told.index(answer) < told.index("The model was audited on 24 photos")
    assert "#undetermined" in [a["href"] for a in seen.all("a")]


def test_a_card_tells_the_sentence_the_numbers_and_the_harm(answered):
    told = reported(answered).words
    for words in (
        "daisy: border Said of daisy and <border>.",
        "0.95 with its border, 0.14 with that of another class: 0.81 less 0.74 to 0.84",
        "Accuracy where the border is typical of the class 98.0% of 55 photos",
        "Accuracy where it is not 25.0% of 4 photos",
        "20.0%, against 97.0% with another of the same class",
        "60.0%, all else taken from other classes",
        "AUROC 0.99",
        "24% of the relevance on 8% of the area; 16.0 points more",
        "Replacing the background has an effect too, which the border explains.",
    ):
        assert words in told


def test_a_card_leaves_out_what_is_not_known(tiny_run):
    write(tiny_run, [cell("daisy", "colour", "confirmed", question="pull", **relied(0.4, "pull"))])
    told = reported(tiny_run).words
    assert "Probability of daisy on photos of other classes 0.40 more 0.33 to 0.43" in told
    for words in ("AUROC", "Accuracy where", "Accuracy by the", "points more", "explains."):
        assert words not in told[: told.index("Every class and cue")]


def test_the_matrix_has_a_letter_a_word_and_a_reason_in_every_cell(answered):
    seen = reported(answered)
    text = answered.index_html.read_text(encoding="utf-8")
    grid = text[text.index('<table class="matrix">') :]
    grid = grid[: grid.index("</table>")]
    rows = [
        re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", row)).strip()
        for row in re.findall(r"<tr>(.*?)</tr>", grid, re.DOTALL)
    ]
    assert rows == [
        "Class border background JPEG quality",
        "daisy C confirmed 0.81 S suspected A available",
        "tulip · clear ? undetermined ? undetermined",
    ]
    reasons = [td["title"] for td in seen.all("td") if "title" in td]
    assert reasons[0] == "Said of daisy and <border>."
    assert len(reasons) == 6
    assert grid.count('scope="col"') == 4
    assert grid.count('scope="row"') == 2
    assert "<caption>" in grid


def test_headings_go_down_one_level_at_a_time_and_tables_have_scopes(answered):
    seen = reported(answered)
    levels = [int(tag[1]) for tag, _ in seen.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all("scope" in attrs for attrs in seen.all("th"))
    assert all(image["alt"] and image["width"] for image in seen.all("img"))
    assert seen.all("script") == []


def test_what_is_open_is_told_by_cue(answered):
    told = reported(answered).words
    assert "2 of 6 pairs of class and cue." in told
    assert "background never tested 1 : tulip Said of tulip and <background>." in told.replace(
        "1: tulip", "1 : tulip"
    )
    assert "JPEG quality 1: tulip Said of tulip and <jpeg_quality>." in told


def test_the_summary_has_every_cue_at_once_first_and_the_groups_the_worst_first(answered):
    told = reported(answered).words
    assert "all cues at once – 97.0% 68.0% 29.0 – to – – border 48 96.0% 66.0% 30.0" in told
    assert "25.0 to 35.0 daisy 77.0 background – 90.0% 85.0% 5.0" in told
    assert "daisy field 4 25.0% daisy studio 8 90.0%" in told


def test_a_clean_run_says_so(tiny_run):
    write(tiny_run, [cell(name, "border", **relied(0.01)) for name in CLASSES])
    seen = reported(tiny_run)
    check_links(seen)
    assert "No class was found to rely on the one cue examined." in seen.words
    assert "No cue is confirmed" in seen.words
    assert "undetermined;" not in seen.words
    assert "What is undetermined" not in seen.words
    shown = {image["src"] for image in seen.all("img") if image["src"].startswith("plots/")}
    assert shown == {"plots/masses.svg"}
    assert {path.stem for path in (tiny_run.report / "plots").iterdir()} == {"masses"}


def test_without_evidence_the_page_is_as_before(tiny_run):
    told = reported(tiny_run).words
    assert "What the model relies on" not in told
    assert "Undetermined" not in told
    assert {path.stem for path in (tiny_run.report / "plots").iterdir()} == {"masses"}


def test_evidence_that_has_to_run_again_is_not_shown(answered, builder):
    builder.record = {"fingerprints": {"flag": "f"}}
    told = reported(builder.write()).words
    assert "What the model relies on" not in told
    builder.record = {"fingerprints": {"flag": "f", "verdict": "e"}}
    assert "What the model relies on" in reported(builder.write()).words


def test_summary_groups_and_transplants_may_be_absent(answered):
    answered.summary.unlink()
    answered.groups.unlink()
    for part in answered.parts(answered.transplants):
        part.unlink()
    seen = reported(answered)
    check_links(seen)
    assert "0.81 less 0.74 to 0.84" in seen.words
    assert "How much accuracy depends on cues" not in seen.words
    assert "Accuracy by group" not in seen.words


def test_a_broken_table_is_told(answered):
    answered.evidence.write_bytes(b"no table")
    with pytest.raises(OutputError, match="a table of this run cannot be read"):
        read_findings(Run(answered.root))


def test_many_classes_show_the_worst_and_say_how_many_are_left_out(answered, monkeypatch):
    monkeypatch.setattr(verdicts, "MOST_CLASSES", 1)
    monkeypatch.setattr(verdicts, "MOST_GROUPS", 1)
    told = reported(answered).words
    assert "1 class and 3 cues, worst classes first." in told
    assert "1 more class is in evidence.parquet" in told
    assert "1 more in groups.parquet" in told
    monkeypatch.setattr(verdicts, "MOST_CARDS", 0)
    told = reported(answered).words
    assert "No cue is confirmed" not in told
    assert "1 more is confirmed; evidence.parquet lists all of them" in told


def test_with_a_page_a_class_the_links_still_lead_somewhere(answered, monkeypatch):
    monkeypatch.setattr(page, "_INLINE_CLASSES", 1)
    check_links(reported(answered))
    for file in answered.gallery.glob("*/index.html"):
        check_links(Page(file))


# The sentence at the top.
@pytest.mark.parametrize(
    ("findings", "told"),
    [
        (
            [finding(), finding("tulip", verdict="clear")],
            "1 of 2 classes is decided by something other than the object: daisy by its border.",
        ),
        (
            [finding(), finding("tulip", "colour", effect=0.9), finding("tulip", effect=0.3)],
            "2 of 2 classes are decided by something other than the object: "
            "tulip by its colour cast and its border and daisy by its border.",
        ),
        (
            [finding(f"c{i}", effect=1 - i / 10) for i in range(7)],
            "7 of 7 classes are decided by something other than the object: c0 by its border, "
            "c1 by its border, c2 by its border, c3 by its border, c4 by its border and 2 more.",
        ),
        (
            [
                finding("bluebell", "colour", effect=0.9, object_included=True),
                finding("tulip", verdict="clear"),
            ],
            "1 of 2 classes is decided by what may be the object's own, changed on whole photos, "
            "the object included: bluebell by its colour cast.",
        ),
        (
            [
                finding("bluebell", "colour", effect=0.9, object_included=True),
                finding("bluebell", "border", effect=0.3),
                finding("tulip", "colour", effect=0.4, object_included=False),
            ],
            "2 of 2 classes are decided by something other than the object: tulip by its colour "
            "cast and bluebell by its border. 1 of 2 classes is decided by what may be the "
            "object's own, changed on whole photos, the object included: bluebell by its "
            "colour cast.",
        ),
        (
            [finding(verdict="suspected"), finding(cue="colour", verdict="undetermined")],
            "No class was found to rely on any of the 2 cues examined. Large effects that so few "
            "photos do not decide: daisy by its colour cast (0.80).",
        ),
        (
            [finding(verdict="undetermined", effect=None)],
            "Whether 1 class relies on the one cue examined could not be determined.",
        ),
        (
            [finding(f"c{i}", verdict="undetermined", effect=None) for i in range(2703)]
            + [finding(f"c{i}", verdict="clear") for i in range(2703, 2800)],
            "For 2,703 of 2,800 pairs of class and cue there were too few photos to decide. "
            "Among the rest no class was found to rely on the one cue examined.",
        ),
        (
            [finding(), *(finding("tulip", cue, "undetermined") for cue in ("border", "colour"))],
            "For 2 of 3 pairs of class and cue there were too few photos to decide. "
            "1 of 2 classes is decided by something other than the object: daisy by its border. "
            "Large effects that so few photos do not decide: tulip by its border (0.80) and tulip "
            "by its colour cast (0.80).",
        ),
        (
            [finding(verdict="clear"), finding("tulip", verdict="undetermined", effect=0.1)],
            "No class was found to rely on the one cue examined.",
        ),
    ],
)
def test_the_lead(findings, told):
    assert lead(findings) == told


@pytest.mark.parametrize(("spent", "budget"), [(2, True), (1, False)])
def test_the_lead_says_where_the_budget_left_most_pairs_open(spent, budget):
    left = [finding(f"c{i}", verdict="undetermined", effect=None) for i in range(3)]
    why = "the budget of 9 forwards was spent before (evidence.max_forwards)."
    left = [replace(f, because=why) if i < spent else f for i, f in enumerate(left)]
    told = lead([*left, finding("daisy", verdict="clear")])
    text = "3 of 4 pairs of class and cue are undetermined, most of them because the budget"
    assert told.startswith(text) is budget
    assert ("too few photos to decide" in told) is not budget


PAIR = ("cat", "dog")


def test_one_decision_between_two_classes_is_one_finding():
    found = [
        finding("cat", effect=0.5), finding("dog", effect=0.7), finding("dog", "colour"),
        finding("cat", "colour", "clear"),
    ]  # fmt: skip
    told = answers.decisions(found, PAIR)
    assert [(f.subject, f.cue, f.verdict, f.effect) for f in told] == [
        ("cat or dog", "border", "confirmed", 0.7),
        ("dog", "colour", "confirmed", 0.8),
        ("cat", "colour", "clear", 0.8),
    ]
    assert lead(told) == (
        "cat or dog is decided by the border, not by the object alone; dog also by its colour cast."
    )
    # Other regions, a third class.
    regions = [finding(name, "cluster_1") for name in PAIR]
    assert answers.decisions(regions, PAIR) == regions
    assert answers.decisions(found, (*PAIR, "horse")) == found


def test_the_page_of_two_classes_tells_one_decision_once(tiny_run, builder):
    builder.record = {"classes": {"0": "daisy", "1": "tulip"}}
    builder.write()
    write(tiny_run, [
        cell("daisy", "border", "confirmed", **relied(0.5)),
        cell("tulip", "border", "confirmed", **relied(0.7)),
        cell("daisy", "background", "clear"),
        cell("tulip", "background", "clear", explained_by="border"),
    ])  # fmt: skip
    seen = reported(tiny_run)
    assert "daisy or tulip is decided by the border, not by the object alone." in seen.words
    cards = seen.words[seen.words.rindex("What the model relies on") :]
    cards = cards[: cards.index("Every class and cue")]
    assert cards.count(": border") == 1
    assert "daisy or tulip: border Said of tulip" in cards
    assert "Replacing the background has an effect too" in cards
    assert "Classes decided by a cue 2 of 2" in seen.words
    assert "daisy C confirmed 0.50" in seen.words
    assert "tulip C confirmed 0.70" in seen.words


def test_an_effect_below_the_limit_is_told_as_such(answered):
    content = json.loads(answered.run_json.read_text())
    limits = {"q": 0.05, "reliance": 0.2, "attention": 0.05, "availability": 0.65, "min_images": 6}
    answered.run_json.write_text(json.dumps(content | {"limits": limits}))
    used = relied(0.15) | {"reliance_q": 0.004}
    write(answered, [
        cell("daisy", "border", "available", **used),
        cell("daisy", "background", "available", **used | {"reliance_q": 0.06}),
        cell("daisy", "colour", "suspected", **used, explained_by="border"),
        cell("tulip", "border", "undetermined", **used),
    ])  # fmt: skip
    assert [f.used for f in read_findings(Run(answered.root))] == [True, False, False, False]
    seen = reported(answered)
    assert "daisy A available, used, below the limit 0.15 A available S suspected" in seen.words
    assert "not seen to use it" not in seen.words
    (plot, *_) = [image["alt"] for image in seen.all("img") if "Forest" in image["alt"]]
    assert "daisy · border 0.15 (0.08 to 0.18), available: used, below the limit" in plot


def test_a_page_that_is_mostly_open_begins_with_that(answered):
    write(answered, [
        cell("daisy", "border", "clear"),
        *(cell("tulip", cue, "undetermined", n_images=0) for cue in ("border", "colour")),
    ])  # fmt: skip
    told = reported(answered).words
    text = "For 2 of 3 pairs of class and cue there were too few photos to decide. Among the rest"
    assert text in told
    assert "More photos or masks would decide the undetermined pairs." in told
    assert "are undetermined; more" not in told


def test_photos_do_not_decide_what_a_budget_left_open(answered):
    spent = "The budget of 8 forwards was spent before; 36 are needed (evidence.max_forwards)."
    row = {"n_images": 0, "because": spent}
    write(answered, [
        cell("daisy", "border", "clear"),
        *(cell("tulip", cue, "undetermined", **row) for cue in ("border", "colour")),
    ])  # fmt: skip
    told = reported(answered).words
    assert "2 of 3 pairs of class and cue are undetermined, most of them because the budget" in told
    assert "More photos or masks" not in told


def test_the_lead_without_a_known_accuracy_leaves_it_out():
    row = {"cue": "all", "accuracy_with": None, "accuracy_without": 0.5}
    assert "accuracy" not in lead([finding()], [row])
    other = {"cue": "border", "accuracy_with": 0.9, "accuracy_without": 0.5}
    assert "accuracy" not in lead([finding()], [other])
    row |= {"accuracy_with": 0.875}
    told = "comes from another class, accuracy goes from 88% to 50%."
    assert lead([finding()], [row]).endswith(told)


# Reading.
def findings_of(paths, rows) -> list[Finding]:
    write(paths, rows)
    return read_findings(Run(paths.root))


@pytest.mark.parametrize(
    ("text", "sentence"), [("So it is", "So it is."), ("So it is. ", "So it is."), ("So?", "So?")]
)
def test_a_reason_ends_with_one_full_stop(tiny_run, text, sentence):
    (found,) = findings_of(tiny_run, [cell("daisy", "border") | {"because": text}])
    assert found.because == sentence


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("i", "j"), [*itertools.combinations(range(5), 2)])
def test_of_two_methods_the_graver_verdict_speaks(tiny_run, i, j, order):
    gravity = ("confirmed", "suspected", "available", "undetermined", "clear")
    assert set(gravity) == set(VERDICTS)
    rows = [cell("daisy", "border", gravity[k], method=f"m{k}") for k in (i, j)][::order]
    (found,) = findings_of(tiny_run, rows)
    assert (found.verdict, found.row["method"]) == (gravity[i], f"m{i}")


@pytest.mark.parametrize(
    ("row", "question", "effect"),
    [
        # Numbers decide nothing here: judge has, and its column is read.
        (relied(0.3) | relied(0.5, "pull") | {"question": "reliance"}, "reliance", 0.3),
        (relied(0.5) | relied(0.3, "pull") | {"question": "pull"}, "pull", 0.3),
        (relied(0.1) | relied(0.5, "pull") | {"question": "pull"}, "pull", 0.5),
        # Nothing confirmed: what was measured, on the class's own photos first.
        (relied(0.5) | {"question": None}, "reliance", 0.5),
        (relied(0.5, "pull") | {"question": None}, "pull", 0.5),
        (relied(0.1) | relied(0.5, "pull") | {"question": None}, "reliance", 0.1),
        ({"question": None}, "reliance", None),
        ({"reliance": float("nan"), "question": None}, "reliance", None),
    ],
)
def test_the_question_that_shows_the_effect_is_told(tiny_run, row, question, effect):
    (found,) = findings_of(tiny_run, [cell("daisy", "border", "confirmed", **row)])
    assert found.question == question
    assert found.effect == (None if effect is None else pytest.approx(effect))


def test_a_pull_alone_never_speaks_for_a_cell_that_is_not_confirmed(tiny_run):
    row = relied(0.1) | relied(0.5, "pull")
    (found,) = findings_of(tiny_run, [cell("daisy", "border", "suspected", **row)])
    assert (found.question, found.effect) == ("reliance", pytest.approx(0.1))


def test_probabilities_are_means_over_all_parts_without_those_put_back(answered):
    known = probabilities(Run(answered.root), read_findings(Run(answered.root)))
    assert known == {("daisy", "border", "reliance"): pytest.approx((0.95, 0.14))}


def test_what_may_be_the_object_s_own_comes_after_what_is_not():
    own = finding("c", "colour", effect=0.9, object_included=True)
    rows = [own, finding("a", effect=0.3), finding("b", "colour", effect=0.4)]
    assert [f.class_name for f in worst_first(rows)] == ["b", "a", "c"]
    place = {name: number for number, name in enumerate("abc")}
    assert [row.class_name for row in matrix(rows, ["border", "colour"], place)] == ["b", "a", "c"]


def test_one_decision_that_may_be_the_object_s_own():
    own = {"object_included": True}
    found = [finding(n, "colour", effect=0.8, **own) for n in PAIR]
    assert lead(answers.decisions(found, PAIR)) == (
        "2 of 2 classes are decided by what may be the object's own, changed on whole photos, the "
        "object included: cat or dog by the colour cast."
    )


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({}, "1 of 2 classes is decided by what may be the object's own, changed on whole photos"),
        ({"question": None, "verdict": "available"}, "No class was found to rely on any of the 2 "),
    ],
)
def test_what_decides_only_with_the_object_changed_too_is_in_the_lead(tiny_run, builder, row, told):
    builder.record = {
        "classes": {"0": "daisy", "1": "tulip"},
        "limits": {"reliance": 0.2, "q": 0.05},
    }
    builder.write()
    whole = {"verdict": "confirmed", "question": "whole", **relied(0.6, "whole")} | row
    daisy = cell("daisy", "colour", whole["verdict"], **relied(0.0)) | whole
    write(tiny_run, [daisy, cell("tulip", "border", "clear")])
    assert lead(read_findings(Run(tiny_run.root))).startswith(told)


def test_worst_first_puts_unknown_effects_last():
    order = worst_first(
        [finding(effect=None), finding("b", effect=0.2), finding("a", effect=0.2), finding("c")]
    )
    assert [f.class_name for f in order] == ["c", "a", "b", "daisy"]


def test_the_limits_shown_are_those_that_the_evidence_was_judged_with(answered):
    limits = {"q": 0.05, "reliance": 0.2, "attention": 0.05, "availability": 0.65, "min_images": 6}
    content = json.loads(answered.run_json.read_text())
    content["config"] = {"evidence": {"min_reliance": 0.33}}  # of a later command
    answered.run_json.write_text(json.dumps(content | {"limits": limits}))
    words = reported(answered).words
    for told in (
        "confirmed, a change of probability of 0.20 that the whole 95 % interval must reach, on 6",
        "suspected, 5.0 percentage points of relevance more than expected; available, an AUROC of "
        "0.65; and a false discovery rate of 0.05",
    ):
        assert told in words
    assert "0.33" not in words[: words.index("Facts, versions")]


def test_the_matrix_is_worst_first_with_ties_in_the_models_order():
    found = [
        finding("clear", verdict="clear"),
        finding("also clear", verdict="clear"),
        finding("open", verdict="undetermined"),
        finding("offered", verdict="available"),
        finding("looked", verdict="suspected", effect=0.99),
        finding("small", effect=0.3),
        finding("without number", effect=None),
        finding("large", effect=0.9),
        finding("large", "colour", verdict="clear"),
    ]
    rows = matrix(found, ["border", "colour"], {"clear": 0, "also clear": 1})
    order = ["large", "small", "without number", "looked", "offered", "open", "clear", "also clear"]
    assert [row.class_name for row in rows] == order
    assert rows[0].cells == (found[-2], found[-1])
    assert rows[1].cells[1] is None


# The pictures.
def lit(builder, cue: str, mask_of=no_mask, **record) -> tuple:
    """The spotlight on ``cue`` of a white 80 x 60 photo: where it stays white, and its motif."""
    builder.photo("daisy/dull.jpg", colour="white")
    builder.photo("daisy/best.jpg", colour="white")
    builder.photo("daisy/wrong.jpg", colour="white")
    builder.add("daisy/dull.jpg", confidence=0.5, mass_border=0.2, mass_background=0.2)
    builder.add("daisy/best.jpg", confidence=0.9, mass_border=0.8, mass_background=0.8)
    builder.add("daisy/wrong.jpg", confidence=1.0, mass_border=0.9, mass_background=0.9, pred=1)
    builder.record = record
    paths = builder.write()
    row = {"region": [0, 0, 0, 1], "height": 2, "width": 2, "class_name": "daisy"}
    row |= {"cluster": 1, "cue": "cluster_1"}
    pq.write_table(table([row, row | {"cue": None, "cluster": 2}], CLUSTERS), paths.clusters)
    write_flags(Run(paths.root), **FLAGS_AT)
    run, settings = Run(paths.root), replace(SMALL, tile=60)
    kinds, facts = kinds_of_run(run), read_facts(run)
    cells = [finding(cue=cue)]
    ((made,),) = spotlights(run, cells, kinds, facts=facts, settings=settings, folder="p").values()
    draw_pictures(run, [made], mask_of, builder.root)
    image = Image.open(builder.root / made.file)
    assert image.size == (made.width, made.height) == (80, 60)
    return np.asarray(image.convert("L")) > 200, made.motif


def agrees(white, expected) -> bool:
    """Equal but for the outline and what JPEG does beside it."""
    edge = np.zeros_like(expected)
    for axis in (0, 1):
        for shift in (-1, 1):
            edge |= np.roll(expected, shift, axis) != expected
    wide = edge.copy()
    for axis in (0, 1):
        for shift in range(-4, 5):
            wide |= np.roll(edge, shift, axis)
    return bool((white == expected)[~wide].all()) and bool((~wide & expected).any())


def box(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    region = np.zeros((60, 80), dtype=bool)
    region[top:bottom, left:right] = True
    return region


@pytest.mark.parametrize(
    ("cue", "told", "expected"),
    [
        ("border", {"regions": {"border": 0.25}}, ~box(15, 45, 15, 65)),
        ("corner_top_left", {"regions": {"corner": 0.5}}, box(0, 30, 0, 30)),
        ("corner_top_right", {"regions": {"corner": 0.5}}, box(0, 30, 50, 80)),
        ("corner_bottom_left", {"regions": {"corner": 0.5}}, box(30, 60, 0, 30)),
        ("corner_bottom_right", {"regions": {"corner": 0.5}}, box(30, 60, 50, 80)),
        # The view is the middle 60 x 60: its lower right quarter, and nothing outside it.
        ("cluster_1", {}, box(30, 60, 40, 70)),
    ],
)
def test_the_cue_stays_light_and_the_rest_is_dimmed(builder, cue, told, expected):
    white, made = lit(builder, cue, **told)
    assert agrees(white, expected)
    assert made.has_region


@pytest.mark.parametrize("full", [1, 255])
def test_the_background_is_what_the_mask_is_not(builder, full):
    mask = np.zeros((60, 80), np.uint8)
    mask[20:50, 30:60] = full
    white, made = lit(builder, "background", mask_of=lambda image_id: mask)
    assert agrees(white, ~box(20, 50, 30, 60))
    assert made.photo.image_id == "daisy/best.jpg"


def broken_mask(image_id: str) -> None:
    raise MaskProblem("missing", "there is none")


@pytest.mark.parametrize("cue", ["background", "colour", "cluster_7", "mine"])
def test_a_property_or_an_unknown_region_is_the_plain_photo(builder, cue):
    white, made = lit(builder, cue, mask_of=broken_mask)
    assert white.all()
    assert made.has_region == (cue == "background")  # its mask was there when it was scored
    assert made.photo.image_id == "daisy/best.jpg"


def test_a_photo_that_cannot_be_read_costs_a_picture_only(answered, builder):
    for photo in builder.photos.rglob("*.jpg"):
        photo.write_bytes(b"none")
    seen = reported(answered)
    check_links(seen)
    assert "Said of daisy and <border>." in seen.words
    assert "all but the border is dimmed" not in seen.words


def test_the_page_shows_the_picture(answered):
    seen = reported(answered)
    shown = [image for image in seen.all("img") if image["src"].startswith("plots/")]
    assert [image["src"].rsplit(".", 1)[1] for image in shown] == ["jpg", "svg", "svg"]
    assert shown[0]["alt"] == "A photo of daisy; all but the border is dimmed."


def test_a_picture_is_made_for_the_confirmed_only(answered):
    reported(answered)
    made = [path.stem for path in (answered.report / "plots").glob("*.jpg")]
    assert len(made) == 1
    assert made[0].startswith("daisy-border-")


# Colours.
def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("dark", [False, True])
def test_every_verdict_can_be_read(dark):
    """WCAG 2.1, 1.4.3: a contrast of 4.5 at least."""
    templates = Path(page.__file__).parent / "templates"
    head = (templates / "_style.css.j2").read_text().split("* { box-sizing")[0]
    light, night = head.split("@media")
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", light))
    if dark:
        colours |= dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", night))
    for ink, ground in (
        ("on-confirmed", "confirmed"),
        ("on-light", "suspected"),
        ("on-light", "available"),
        *(("soft", g) for g in ("paper", "panel")),
        *(("accent", g) for g in ("paper", "panel")),
        ("ink", "panel"),
    ):
        bright, dim = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, (ink, ground)
