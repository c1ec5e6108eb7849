"""The proof of a finding: a photo three times, and what the model said to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds

from xai_audit.language import say
from xai_audit.report.material import photos
from xai_audit.report.picture import Picture, digest
from xai_audit.report.spotlight import discovered_regions
from xai_audit.report.transplanted import WITH, WITHOUT, Transplanted, view_picture
from xai_audit.report.words import two
from xai_audit.run.verdicts import of_kinds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from xai_audit.report.answers import Finding
    from xai_audit.report.facts import RunFacts
    from xai_audit.report.picture import ReportSettings
    from xai_audit.run.reader import Run

# Findings with a proof.
MOST_PROOFS = 6
_CELL = ("class_name", "cue", "question")
_COLUMNS = [
    *(*_CELL, "image_id", "image_class", "donor_with", "donor_without", "donor_without_class"),
    *("p_with", "p_without", "predicted_with", "predicted_without"),
]


_NEEDED = ["donor_with", "donor_without", "p_with", "p_without"]


@dataclass(frozen=True)
class Panel:
    """The model's view of a photo.

    Attributes:
        picture: the view.
        label: what was done to the photo.
        said: the model's answer to it.
    """

    picture: Picture
    label: str
    said: str


@dataclass(frozen=True)
class Proof:
    """A photo as it is, with the cue of its cell's class, and with that of another.

    Attributes:
        image_id: of the photo.
        panels: three.
        count: of the measured pairs, of which this one has the median change.
    """

    image_id: str
    panels: tuple[Panel, ...]
    count: int


def proofs(
    run: Run,
    findings: Sequence[Finding],
    kinds: dict[str, str],
    *,
    facts: RunFacts,
    settings: ReportSettings,
    folder: str,
) -> dict[tuple[str, str], Proof]:
    """(class, cue) -> its proof, not drawn yet, of the first findings of which pairs are kept.

    Args:
        run: with its tables.
        findings: the largest effect first.
        kinds: method -> target kind.
        facts: of the run.
        settings: of the report.
        folder: of the pictures, relative to the report's.

    Raises:
        OutputError: a table of the run cannot be read.
    """
    shown = findings[:MOST_PROOFS]
    chosen = _chosen(run, shown)
    rows = {cell: row for cell, (row, _) in chosen.items()}
    wanted = {row[key] for row in rows.values() for key in ("image_id", "donor_with")}
    wanted |= {row["donor_without"] for row in rows.values()}
    files = photos(run, wanted, facts.dataset_root)
    plain = _as_it_is(run, {row["image_id"] for row in rows.values()}, kinds, facts)
    regions, found = discovered_regions(run, shown), {}
    for finding in shown:
        cell = finding.class_name, finding.cue
        if cell not in chosen:
            continue
        row, count = chosen[cell]
        photo = files[row["image_id"]]
        if not photo.width:  # the manifest does not have it
            continue
        motif = Transplanted(
            photo,
            files[row["donor_with"]],
            files[row["donor_without"]],
            facts.preprocess,
            *(finding.class_name, finding.cue, finding.question),
            masks=settings.masks,
            region=digest(regions.get(cell)),
        )
        said = (plain.get(row["image_id"], "–"), _said(row, WITH), _said(row, WITHOUT))
        ends = zip(("", WITH, WITHOUT), labels(row, finding), said, strict=True)
        panels = tuple(Panel(view_picture(folder, motif, end), *words) for end, *words in ends)
        found[cell] = Proof(row["image_id"], panels, count)
    return found


def labels(row: Mapping[str, Any], finding: Finding) -> tuple[str, str, str]:
    """What was done to the photo of each panel, from a row of TRANSPLANTS."""
    words, name = finding.words, row["class_name"]
    if row["donor_without"] == row["image_id"]:  # something that is put on
        with_, without = say("with the {cue}", cue=words), say("without the {cue}", cue=words)
        return say("as it is"), with_, without
    theirs = row["donor_without_class"]
    if theirs is None:
        theirs = say("another class") if row["image_class"] == name else say("its own class")
    return (
        say("as it is"),
        say("with the {cue} of another photo of {name}", cue=words, name=name),
        say("with that of {name}", name=theirs),
    )


def _chosen(
    run: Run, findings: Iterable[Finding]
) -> dict[tuple[str, str], tuple[dict[str, Any], int]]:
    """(class, cue) -> the pair with the median change of the finding's question, and of how many.

    The pair is a row of TRANSPLANTS.
    """
    wanted = {(f.class_name, f.cue, f.question) for f in findings}
    if not wanted or not run.has("transplants"):
        return {}
    where = ds.field("given").is_null()
    for place, column in enumerate(_CELL):
        where &= ds.field(column).isin(sorted({cell[place] for cell in wanted}))
    rows: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for frame in run.scan("transplants", _COLUMNS, where):
        for row in frame.dropna(subset=_NEEDED).to_dict("records"):
            if (cell := tuple(row[column] for column in _CELL)) in wanted:
                rows.setdefault(cell, []).append({str(key): row[key] for key in row})
    found = {}
    for (name, cue, _), pairs in rows.items():
        pairs.sort(key=lambda row: (row["p_with"] - row["p_without"], row["image_id"]))
        found[name, cue] = pairs[len(pairs) // 2], len(pairs)
    return found


def _said(row: Mapping[str, Any], end: str) -> str:
    """The class predicted; where it is not the cell's, the table does not say which it is."""
    name, share = row["class_name"], float(row[f"p_{end}"])
    if row[f"predicted_{end}"]:
        return _predicted(name, share)
    return say("predicted: another class ({name} {share})", name=name, share=two(share))


def _predicted(name: str, share: float) -> str:
    """``predicted: rose (0.93)``."""
    return say("predicted: {name} ({share})", name=name, share=two(share))


def _as_it_is(run: Run, ids: set[str], kinds: dict[str, str], facts: RunFacts) -> dict[str, str]:
    """Image -> what was predicted."""
    if not kinds:
        return {}
    first = of_kinds(dict([*kinds.items()][:1]))  # predictions are the same whatever the method
    return {
        image_id: _predicted(facts.class_of(pred), float(confidence))
        for frame in run.scan("scores", ["image_id", "pred", "confidence"], first, ids=ids)
        for image_id, pred, confidence in frame.dropna().itertuples(index=False)
    }
