"""The sections of the page, read from the tables: their words, numbers and planned pictures."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xai_audit.language import mark, say
from xai_audit.report.actions import actions
from xai_audit.report.adversarial_section import adversarial
from xai_audit.report.agreement_section import agreement
from xai_audit.report.augmentation_section import augmentation
from xai_audit.report.confused import confused
from xai_audit.report.facts import read_facts
from xai_audit.report.gallery import galleries
from xai_audit.report.picture import Cells, MeanMap, class_folder, map_picture
from xai_audit.report.verdicts import build_answer
from xai_audit.report.words import interval, two
from xai_audit.run.files import rows_of
from xai_audit.run.verdicts import cue_words, kinds_of_run
from xai_audit.schema import RANDOM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xai_audit.report.actions import Actions
    from xai_audit.report.agreement_section import Agreement
    from xai_audit.report.augmentation_section import Changed
    from xai_audit.report.confused import Confused
    from xai_audit.report.facts import RunFacts
    from xai_audit.report.gallery import ClassGallery
    from xai_audit.report.picture import Picture, ReportSettings
    from xai_audit.report.verdicts import Answer
    from xai_audit.run.reader import Run

# Folders inside the report's: of the galleries, of plots, and of lists of photos.
GALLERY, PLOTS, LISTS = "gallery", "plots", "lists"
# Photos named under a strategy.
_NAMED = 3
# Column, heading, and what it says.
_COLUMNS = (
    ("similarity_all", mark("Similarity with random weights")),
    ("similarity_half", mark("… in the upper half")),
    ("similarity_head", mark("… in the last layer")),
    ("road", mark("ROAD")),
    ("insertion", mark("Insertion")),
    ("deletion", mark("Deletion")),
    ("infidelity", mark("Infidelity")),
    ("sensitivity", mark("Sensitivity")),
    ("completeness_error", mark("Completeness error")),
)


@dataclass(frozen=True)
class Sections:
    """The sections of the page; an absent one is None or empty.

    Attributes:
        facts: of the run.
        kinds: method -> target kind that the tables are about.
        galleries: photos to look at, by class.
        answer: of the evidence.
        actions: what to do about its findings.
        strategies: of discovery, by class.
        confused: pairs of classes.
        agreement: of the methods.
        trust: in the methods' maps.
        adversarial: how little flips a decision.
        augmentation: what changes when photos are changed.
    """

    facts: RunFacts
    kinds: dict[str, str]
    galleries: list[ClassGallery]
    answer: Answer | None
    actions: Actions | None
    strategies: list[dict[str, Any]]
    confused: list[Confused]
    agreement: Agreement | None
    trust: dict[str, Any] | None
    adversarial: dict[str, Any] | None
    augmentation: Changed | None

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
            yield from (picture for card in self.answer.cards for picture in card.carriers)
            proofs = [card.proof for card in self.answer.cards if card.proof is not None]
            yield from (panel.picture for proof in proofs for panel in proof.panels)
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
        actions=actions(run, facts, folder=LISTS),
        strategies=strategies(run, facts, folder=GALLERY),
        confused=confused(run, facts, settings=settings, folder=GALLERY),
        agreement=agreement(run, facts, settings=settings, folder=GALLERY),
        trust=trust(run),
        adversarial=adversarial(run, facts, folder=GALLERY, tile=settings.tile),
        augmentation=augmentation(run, facts),
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


def strategies(run: Run, facts: RunFacts, *, folder: str) -> list[dict[str, Any]]:
    """Each class with its strategies, classes in the model's order; [] where none were looked for.

    A class is ``class_name`` and ``strategies``; a strategy the values of ``schema.CLUSTERS`` that
    the page shows, ``words`` for its kind, ``typical`` image ids and ``picture``, its mean map.

    Args:
        run: with its tables.
        facts: of the run.
        folder: of the galleries, relative to the report's.

    Raises:
        OutputError: the table is broken.
    """
    if not run.has("clusters"):
        return []
    several = run.clusters["method"].nunique() > 1
    classes: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(run.clusters):
        home = f"{folder}/{class_folder(row['class_name'])}"
        classes.setdefault(row["class_name"], []).append(_strategy(row, home, several=several))
    order = facts.classes_first(classes)
    return [{"class_name": name, "strategies": classes[name]} for name in order]


def _strategy(row: dict[str, Any], folder: str, *, several: bool) -> dict[str, Any]:
    """One strategy as the page shows it."""
    grid = row["height"], row["width"]
    motif = MeanMap(Cells.of(row["mean_map"], *grid), Cells.of(row["region"], *grid))
    name = f"strategy-{row['cluster']}" if row["cluster"] else f"strategy-0-{row['method']}"
    return {
        "cluster": int(row["cluster"]),
        "cue": row["cue"],
        "method": row["method"] if several else None,
        "kind": row["kind"],
        "words": _words(row),
        "n_images": int(row["n_images"]),
        "share": float(row["share"]),
        "stability": None if row["algorithm"] is None else float(row["stability"]),
        "typical": [str(image_id) for image_id in row["image_ids"][:_NAMED]],
        "picture": map_picture(folder, motif, class_name=row["class_name"], name=name),
    }


def _words(row: dict[str, Any]) -> str:
    """The place of a strategy's relevance, in few words."""
    if not row["cluster"]:
        return say("like no other photos")
    if row["kind"] == "mixed":
        return say("no single region")
    return say("the {cue}", cue=cue_words(row["kind"]))


def trust(run: Run) -> dict[str, Any] | None:
    """``columns``, ``rows``, ``failed`` methods and why others are ``unknown``; None: not checked.

    A row has ``method``, ``n_images``, ``trusted``, ``because`` and ``cells``, texts with the
    interval, None where undefined; maps of noise come last. A column without a value is left out.
    """
    rows = rows_of(run.methods) if run.has("methods") else []
    if not any(row["method"] != RANDOM for row in rows):
        return None
    columns = [c for c in _COLUMNS if any(row[c[0]] is not None for row in rows)]
    rows = sorted(rows, key=lambda row: row["method"] == RANDOM)
    shown = [
        {name: row[name] for name in ("method", "n_images", "trusted", "because")}
        | {
            "noise": row["method"] == RANDOM,
            "cells": [_cell(row, column) for column, _ in columns],
        }
        for row in rows
    ]
    return {
        "columns": [heading for _, heading in columns],
        "rows": shown,
        "failed": [row["method"] for row in rows if row["trusted"] is False],
        "unknown": {
            row["method"]: row["because"]
            for row in rows
            if row["trusted"] is None and row["method"] != RANDOM
        },
    }


def _cell(row: dict[str, Any], column: str) -> tuple[str, str] | None:
    """The mean and its interval as texts."""
    if row[column] is None:
        return None
    low, high = row[f"{column}_low"], row[f"{column}_high"]
    return two(row[column]), "" if low is None else interval(low, high)
