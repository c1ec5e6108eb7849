"""Whether the methods agree on where relevance lies, as the page shows it."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds

from xai_audit.report.answers import two
from xai_audit.report.caption import Caption
from xai_audit.report.material import gather
from xai_audit.report.matrix import Matrix, matrix
from xai_audit.report.overlay import Look
from xai_audit.report.picks import UNFLAGGED
from xai_audit.report.sheet import Thumbnail, cell_side
from xai_audit.report.strip import Strip, picture, saved
from xai_audit.report.words import caption_of, measure
from xai_audit.run.cue_words import REGION_WORDS
from xai_audit.run.paths import RunPaths
from xai_audit.run.score_rows import collect
from xai_audit.schema import AGREEMENT, AGREEMENT_IMAGES, PREFERRED_KINDS, REGIONS

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from xai_audit.report.facts import RunFacts
    from xai_audit.report.material import Material
    from xai_audit.report.settings import ReportSettings

FILE = "agreement.svg"
# Evans 1996, Straightforward Statistics for the Behavioral Sciences: strong, moderate.
_STRONG, _MODERATE = 0.6, 0.4
_CLASSES, _PHOTOS = 8, 4


@dataclass(frozen=True)
class Agreement:
    """The section.

    Attributes:
        kind: target kind that it speaks of.
        sentence: the answer in one or two sentences.
        matrix: the picture.
        file: its name among the plots.
        classes: those with the least agreement first: ``class_name``, ``n``, ``rank``, ``mass``,
            ``pair`` (two names), ``least``, ``low``, ``high`` of that pair; None where undefined.
        left_out: classes that are not shown.
        strips: photos on which the methods agree least.
    """

    kind: str
    sentence: str
    matrix: Matrix
    file: str
    classes: tuple[dict[str, Any], ...]
    left_out: int
    strips: tuple[Strip, ...]


def agreement(
    paths: RunPaths, facts: RunFacts, *, settings: ReportSettings, folder: Path
) -> Agreement | None:
    """The section; None with one method, or where the methods were not compared.

    Args:
        paths: of the run.
        facts: of the run.
        settings: of the report.
        folder: of the plots.

    Raises:
        OutputError: a table of the run cannot be read.
    """
    if not paths.agreement.is_file() or not facts.is_finished("agreement"):
        return None
    table = collect([paths.agreement], AGREEMENT, AGREEMENT.names)
    kinds = {*table["target_kind"]}
    kind = next((kind for kind in (*PREFERRED_KINDS, *sorted(kinds)) if kind in kinds), None)
    if kind is None:
        return None
    table = table[table["target_kind"] == kind]
    whole = table[table["class_name"] == ""]
    pairs = zip(whole["method"], whole["other_method"], strict=True)
    drawn = matrix(dict(zip(pairs, whole["rank_correlation"], strict=True)))
    classes = _classes(table[table["class_name"] != ""])
    return Agreement(
        kind=kind,
        sentence=_sentence(whole),
        matrix=drawn,
        file=FILE,
        classes=tuple(classes[:_CLASSES]) if len(classes) > 1 else (),
        left_out=max(0, len(classes) - _CLASSES),
        strips=_strips(paths, facts, kind, drawn.names, settings=settings, folder=folder),
    )


def _sentence(whole: pd.DataFrame) -> str:
    """The answer for all classes together."""
    known = whole.dropna(subset=["rank_correlation"]).sort_values("rank_correlation")
    if known.empty:
        return "No photo has relevance by two methods, so whether they agree is unknown."
    mean = float(known["rank_correlation"].mean())
    degree = (
        "agree" if mean >= _STRONG else "agree in part" if mean >= _MODERATE else "do not agree"
    )
    told = f"The methods {degree} on where relevance lies: rank correlation {two(mean)}"
    if len(known) > 1:
        least, most = (_named(row) for _, row in known.iloc[[0, -1]].iterrows())
        told += f" on average, from {least} to {most}"
    elif (row := known.iloc[0])["rank_correlation_low"] == row["rank_correlation_low"]:
        ends = (two(float(row[f"rank_correlation_{end}"])) for end in ("low", "high"))
        told += f" ({' to '.join(ends)})"
    return f"{told}. {_by_region(known)}{_caution(float(known['rank_correlation'].min()))}"


def _named(row: pd.Series) -> str:
    return f"{two(float(row['rank_correlation']))} ({row['method']} and {row['other_method']})"


def _by_region(known: pd.DataFrame) -> str:
    gaps = {region: float(known[f"mass_difference_{region}"].mean()) for region in REGIONS}
    gaps = {region: gap for region, gap in gaps.items() if gap == gap}
    if not gaps:
        return ""
    widest = max(gaps, key=lambda region: gaps[region])
    return (
        f"The shares of relevance that two of them put on a region differ most on the "
        f"{REGION_WORDS[widest]}, by {100 * gaps[widest]:.0f} points on average. "
    )


def _caution(least: float) -> str:
    if least >= _STRONG:
        return "What one of them shows, the others show too."
    return "What one of them shows of a photo, another need not show: rely on none alone."


def _classes(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A row a class, least agreement first; those without any last."""
    rows = []
    for name, of_class in table.groupby("class_name"):
        known = of_class.dropna(subset=["rank_correlation"])
        worst = None if known.empty else known.sort_values("rank_correlation").iloc[0]
        rows.append(
            {
                "class_name": name,
                "n": int(of_class["n_images"].max()),
                "rank": _number(of_class["rank_correlation"].mean()),
                "mass": _number(of_class["mass_agreement"].mean()),
                "pair": None if worst is None else (worst["method"], worst["other_method"]),
                **{
                    end: None if worst is None else _number(worst[f"rank_correlation{tail}"])
                    for end, tail in (("least", ""), ("low", "_low"), ("high", "_high"))
                },
            }
        )
    return sorted(
        rows, key=lambda row: (row["rank"] is None, row["rank"] or 0.0, row["class_name"])
    )


def _strips(
    paths: RunPaths,
    facts: RunFacts,
    kind: str,
    methods: tuple[str, ...],
    *,
    settings: ReportSettings,
    folder: Path,
) -> tuple[Strip, ...]:
    """The photos on which the methods agree least, each beside its heatmaps."""
    least = _least_agreed(paths, kind)
    keys = {(image_id, method) for _, image_id in least for method in methods}
    kinds = dict.fromkeys(methods, kind)
    material = gather(paths, keys, kinds, root=facts.dataset_root)
    look = Look(facts.preprocess, facts.border, settings.tile)
    strips = []
    for number, (mean, image_id) in enumerate(least, 1):
        shown = [method for method in methods if (image_id, method) in material.scores]
        if not shown:
            continue
        cells = _cells(image_id, shown, material, look, facts)
        title = f"{image_id}, mean rank correlation {two(mean)}"
        file = folder / f"agreement-{number}.jpg"
        side = cell_side(settings.tile)
        strips.append(saved(cells, file, side=side, title=title, words=["the photo", *shown]))
    return tuple(strips)


def _cells(
    image_id: str, methods: list[str], material: Material, look: Look, facts: RunFacts
) -> list[Thumbnail]:
    """The photo as it is, then under the heatmap of each method."""
    first = image_id, methods[0]
    caption = caption_of(material.scores[first], (), facts=facts, method=None)
    cells = [Thumbnail(picture(first, material, look, heat=False), caption, "the photo")]
    for method in methods:
        key = image_id, method
        masses = measure(UNFLAGGED, None, material.scores[key])
        image = picture(key, material, look)
        cells.append(Thumbnail(image, Caption(method, None, None, None), masses))
    return cells


def _least_agreed(paths: RunPaths, kind: str) -> list[tuple[float, str]]:
    """(mean rank correlation over the pairs, image id) of the photos with the least."""
    least: list[tuple[float, str]] = []
    columns = ["image_id", "rank_correlation"]
    where = (ds.field("target_kind") == kind) & ds.field("rank_correlation").is_valid()
    for file in RunPaths.parts(paths.agreement_images):  # an image lies in one part
        frame = collect([file], AGREEMENT_IMAGES, columns, where)
        means = frame.groupby("image_id")["rank_correlation"].mean()
        least = heapq.nsmallest(_PHOTOS, [*least, *zip(means, means.index, strict=True)])
    return least


def _number(value: float) -> float | None:
    return None if value != value else float(value)
