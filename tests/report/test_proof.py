from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.report.conftest import FLAGS_AT, SMALL, no_mask, table
from tests.report.test_page import Page, check_links
from tests.report.test_verdicts import answered, cell, relied, write
from xai_audit.flags.outliers import write_flags
from xai_audit.report import proof
from xai_audit.report.draw import draw_pictures
from xai_audit.report.facts import read_facts
from xai_audit.report.page import write_page
from xai_audit.report.sections import plan_pictures, read_sections
from xai_audit.report.transplanted import Transplanted
from xai_audit.run.reader import Run
from xai_audit.run.verdicts import kinds_of_run
from xai_audit.schema import TRANSPLANTS

__all__ = ["answered"]
COLOURS = {"": "blue", "with": "white", "without": "black"}


def pair(number: int, fall: float, name: str = "daisy", **more) -> dict:
    """A photo that loses ``fall`` of the probability, and is then another class's."""
    row = {"class_name": name, "cue": "border", "question": "reliance"}
    row |= {"image_id": f"daisy/{number}.jpg", "image_class": "daisy"}
    row |= {"donor_with": "daisy/11.jpg", "donor_without": "tulip/3.jpg"}
    row |= {"donor_without_class": "tulip", "p_with": 0.9, "p_without": 0.9 - fall}
    return row | {"predicted_with": True, "predicted_without": False} | more


@pytest.fixture
def paired(answered):
    """Three pairs, and one with another cue put back, which is none of the finding."""
    pairs = [pair(6, 0.8), pair(7, 0.1), pair(8, 0.5), pair(9, 0.5, given="background")]
    pq.write_table(table(pairs, TRANSPLANTS), answered.part(answered.transplants, 0))
    write_flags(Run(answered.root), **FLAGS_AT)
    for number in (1, 2):
        answered.part(answered.transplants, number).unlink()
    return answered


def found(paths) -> dict:
    run = Run(paths.root)
    (card,) = read_sections(run, SMALL).answer.cards
    return card.proof


def drawn(paths, view_of=None) -> Page:
    run = Run(paths.root)
    sections = read_sections(run, SMALL)
    for pictures in plan_pictures(run, SMALL, sections).values():
        draw_pictures(run, pictures, no_mask, paths.report, view_of=view_of)
    write_page(run, SMALL, sections)
    return Page(paths.index_html)


def coloured(motif: Transplanted) -> Image.Image:
    return Image.new("RGB", (48, 48), COLOURS[motif.end])


def test_the_photo_is_that_of_the_median_change(paired):
    shown = found(paired)
    assert (shown.image_id, shown.count) == ("daisy/8.jpg", 3)
    motif = shown.panels[1].picture.motif
    assert motif.pair == {
        key: pair(8, 0.5)[key]
        for key in ("class_name", "cue", "question", "image_id", "donor_with", "donor_without")
    }
    assert [(p.picture.width, p.picture.height) for p in shown.panels] == [(48, 48)] * 3


def test_each_panel_says_what_was_done_and_what_the_model_said(paired):
    panels = found(paired).panels
    assert [panel.label for panel in panels] == [
        "as it is",
        "with the border of another photo of daisy",
        "with that of tulip",
    ]
    said = ["predicted: daisy (0.90)"] * 2 + ["predicted: another class (daisy 0.40)"]
    assert [panel.said for panel in panels] == said


def test_the_page_shows_the_three_views_as_they_were_drawn(paired):
    seen = drawn(paired, coloured)
    check_links(seen)
    shown = [i for i in seen.all("img") if i["alt"].startswith("daisy/8.jpg, ")]
    assert [i["alt"].partition(", ")[2] for i in shown] == [
        "as it is, predicted: daisy (0.90)",
        "with the border of another photo of daisy, predicted: daisy (0.90)",
        "with that of tulip, predicted: another class (daisy 0.40)",
    ]
    for image, colour in zip(shown, ("blue", "white", "black"), strict=True):
        with Image.open(paired.report / image["src"]) as file:
            pixel = file.getpixel((5, 5))
        wanted = Image.new("RGB", (1, 1), colour).getpixel((0, 0))
        assert pixel == pytest.approx(wanted, abs=3)
    assert "the photo of the median change, of 3 measured" in seen.words


def test_what_cannot_be_drawn_is_left_out(paired):
    for view_of in (None, lambda _: None):
        seen = drawn(paired, view_of)
        check_links(seen)
        assert "median change" not in seen.words


def test_only_the_first_findings_have_a_proof(paired, monkeypatch):
    monkeypatch.setattr(proof, "MOST_PROOFS", 1)
    effects = {"border": 0.9, "colour": 0.5}
    write(
        paired,
        [cell("daisy", cue, "confirmed", **relied(effect)) for cue, effect in effects.items()],
    )
    pairs = [pair(6, 0.8), pair(7, 0.8, cue="colour")]
    pq.write_table(table(pairs, TRANSPLANTS), paired.part(paired.transplants, 0))
    cards = read_sections(Run(paired.root), SMALL).answer.cards
    known = [(card.finding.cue, card.proof is not None) for card in cards]
    assert known == [("border", True), ("colour", False)]


def test_a_pull_is_shown_on_a_photo_of_another_class(paired):
    row = cell("daisy", "border", "confirmed", **relied(0.7, "pull")) | {"question": "pull"}
    write(paired, [row], pairs=[])
    pulled = pair(0, 0.8, question="pull", image_id="tulip/5.jpg", image_class="tulip")
    pulled |= {"donor_without": "tulip/6.jpg"}
    pq.write_table(table([pulled], TRANSPLANTS), paired.part(paired.transplants, 0))
    shown = found(paired)
    assert shown.image_id == "tulip/5.jpg"
    assert shown.panels[0].said == "predicted: tulip (0.90)"
    assert shown.panels[2].label == "with that of tulip"


def test_other_masks_are_other_pictures(paired):
    run = Run(paired.root)
    findings = [card.finding for card in read_sections(run, SMALL).answer.cards]
    facts, kinds = read_facts(run), kinds_of_run(run)
    names = set()
    for masks in ("", "other"):
        settings = SMALL.__class__(3, 64, 0, masks)
        made = proof.proofs(run, findings, kinds, facts=facts, settings=settings, folder="plots")
        names |= {panel.picture.file for panel in made["daisy", "border"].panels}
    assert len(names) == 6


def test_hostile_names_come_out_as_they_are(paired):
    name = "<script>alert(1)</script>\u202e\"'" + "x" * 200
    write(paired, [cell(name, "border", "confirmed", **relied(0.5))], pairs=[])
    pairs = [pair(6, 0.5, name, donor_without_class="<b>&")]
    pq.write_table(table(pairs, TRANSPLANTS), paired.part(paired.transplants, 0))
    seen = drawn(paired, coloured)
    check_links(seen)
    assert seen.all("script") == []
    assert f"with the border of another photo of {name}, predicted: {name} (0.90)" in {
        i["alt"].partition(", ")[2] for i in seen.all("img")
    }
    assert "With that of <b>&" in seen.words
