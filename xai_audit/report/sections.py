"""The sections of the page, read from the tables: their words, numbers and planned pictures."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xai_audit.report.adversarial_section import adversarial
from xai_audit.report.agreement_section import agreement
from xai_audit.report.confused import confused
from xai_audit.report.facts import read_facts
from xai_audit.report.gallery import galleries
from xai_audit.report.strategies import strategies
from xai_audit.report.trust_section import trust
from xai_audit.report.verdicts import build_answer
from xai_audit.run.score_rows import kinds_of_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xai_audit.report.agreement_section import Agreement
    from xai_audit.report.confused import Confused
    from xai_audit.report.facts import RunFacts
    from xai_audit.report.gallery import ClassGallery
    from xai_audit.report.picture import Picture
    from xai_audit.report.settings import ReportSettings
    from xai_audit.report.verdicts import Answer
    from xai_audit.run.reader import Run

# Folders inside the report's: of the galleries and of plots.
GALLERY, PLOTS = "gallery", "plots"


@dataclass(frozen=True)
class Sections:
    """The sections of the page; an absent one is None or empty.

    Attributes:
        facts: of the run.
        kinds: method -> target kind that the tables are about.
        galleries: photos to look at, by class.
        answer: of the evidence.
        strategies: of discovery, by class.
        confused: pairs of classes.
        agreement: of the methods.
        trust: in the methods' maps.
        adversarial: how little flips a decision.
    """

    facts: RunFacts
    kinds: dict[str, str]
    galleries: list[ClassGallery]
    answer: Answer | None
    strategies: list[dict[str, Any]]
    confused: list[Confused]
    agreement: Agreement | None
    trust: dict[str, Any] | None
    adversarial: dict[str, Any] | None

    def pictures(self) -> Iterator[Picture]:
        """Every picture that the page needs; some more than once."""
        ways = [way for pair in self.confused for way in pair.directions]
        rows = [sheet.shown for gallery in self.galleries for sheet in gallery.sheets]
        rows += [way.shown for way in ways]
        rows += [] if self.agreement is None else [strip.shown for strip in self.agreement.strips]
        yield from (shown.picture for row in rows for shown in row)
        yield from (way.mean_map for way in ways if way.mean_map is not None)
        for of_class in self.strategies:
            yield from (strategy["picture"] for strategy in of_class["strategies"])
        if self.answer is not None:
            yield from (card.picture for card in self.answer.cards if card.picture is not None)
        if self.adversarial is not None:
            yield from (row["picture"] for row in self.adversarial["pictures"])


def read_sections(run: Run, settings: ReportSettings) -> Sections:
    """The sections of ``run``; tables are read, and no photo is.

    Raises:
        OutputError: a table of the run is missing or broken.
    """
    facts, kinds = read_facts(run), kinds_of_run(run)
    return Sections(
        facts=facts,
        kinds=kinds,
        galleries=galleries(run, kinds, facts=facts, settings=settings, folder=GALLERY),
        answer=build_answer(run, kinds, facts=facts, settings=settings, folder=PLOTS),
        strategies=strategies(run, facts, folder=GALLERY),
        confused=confused(run, facts, settings=settings, folder=GALLERY),
        agreement=agreement(run, facts, settings=settings, folder=GALLERY),
        trust=trust(run),
        adversarial=adversarial(run, facts, folder=GALLERY, tile=settings.tile),
    )


def plan_pictures(
    run: Run, settings: ReportSettings, sections: Sections | None = None
) -> dict[str, list[Picture]]:
    """Class -> the pictures of it that the page needs, each once; no photo is read.

    Args:
        run: with its tables.
        settings: of the report.
        sections: of the same run and settings, where they have been read already.
    """
    sections = read_sections(run, settings) if sections is None else sections
    plan: dict[str, dict[str, Picture]] = defaultdict(dict)
    for picture in sections.pictures():
        plan[picture.class_name][picture.file] = picture
    return {name: list(pictures.values()) for name, pictures in plan.items()}
