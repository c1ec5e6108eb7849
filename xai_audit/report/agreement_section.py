"""The section on whether the methods agree."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds

from xai_audit.language import say, spoken
from xai_audit.report.gallery import overlay_picture
from xai_audit.report.material import gather
from xai_audit.report.overlay import Look
from xai_audit.report.picture import Shown
from xai_audit.report.plots.matrix import Matrix, matrix
from xai_audit.report.words import caption_of, interval, masses, two
from xai_audit.run.verdicts import cue_words
from xai_audit.schema import PREFERRED_KINDS, REGIONS

if TYPE_CHECKING:
    import pandas as pd

    from xai_audit.report.facts import RunFacts
    from xai_audit.report.picture import ReportSettings
    from xai_audit.run.reader import Run

# Evans 1996, Straightforward Statistics for the Behavioral Sciences: strong, moderate.
_STRONG, _MODERATE = 0.6, 0.4
_CLASSES, _PHOTOS = 8, 4


@dataclass(frozen=True)
class Strip:
    """A photo as it is and under the heatmap of each method."""

    title: str
    shown: tuple[Shown, ...]


@dataclass(frozen=True)
class Agreement:
    """The section.

    Attributes:
        kind: target kind of the heatmaps.
        sentence: the answer in one or two sentences.
        matrix: the plot.
        classes: those with the least agreement first: ``class_name``, ``n``, ``rank``, ``mass``,
            ``pair`` (two names), ``least``, ``low``, ``high`` of that pair; None where undefined.
        left_out: classes that are not shown.
        strips: photos on which the methods agree least.
    """

    kind: str
    sentence: str
    matrix: Matrix
    classes: tuple[dict[str, Any], ...]
    left_out: int
    strips: tuple[Strip, ...]


def agreement(
    run: Run, facts: RunFacts, *, settings: ReportSettings, folder: str
) -> Agreement | None:
    """The section; None with one method, or where the methods were not compared.

    Args:
        run: with its tables.
        facts: of the run.
        settings: of the report.
        folder: of the galleries, relative to the report's.

    Raises:
        OutputError: a table of the run cannot be read.
    """
    if not run.has("agreement"):
        return None
    table = run.agreement
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
        classes=tuple(classes[:_CLASSES]) if len(classes) > 1 else (),
        left_out=max(0, len(classes) - _CLASSES),
        strips=_strips(run, facts, kind, drawn.names, settings=settings, folder=folder),
    )


def _sentence(whole: pd.DataFrame) -> str:
    """The answer for all classes together."""
    known = whole.dropna(subset=["rank_correlation"]).sort_values("rank_correlation")
    if known.empty:
        return say("No photo has relevance by two methods, so whether they agree is unknown.")
    mean = float(known["rank_correlation"].mean())
    text = {
        True: say("The methods do not agree on where relevance lies: rank correlation {number}"),
        mean >= _MODERATE: say(
            "The methods agree in part on where relevance lies: rank correlation {number}"
        ),
        mean >= _STRONG: say(
            "The methods agree on where relevance lies: rank correlation {number}"
        ),
    }[True].format(number=two(mean))
    if len(known) > 1:
        least, most = (_named(row) for _, row in known.iloc[[0, -1]].iterrows())
        text += say(" on average, from {least} to {most}.", least=least, most=most)
    elif (row := known.iloc[0])["rank_correlation_low"] == row["rank_correlation_low"]:
        ends = (float(row[f"rank_correlation_{end}"]) for end in ("low", "high"))
        text += say(" ({interval}).", interval=interval(*ends))
    else:
        text += say(".")
    told = [text, _by_region(known), _caution(float(known["rank_correlation"].min()))]
    return spoken().gap.join(each for each in told if each)


def _named(row: pd.Series) -> str:
    return say(
        "{number} ({method} and {other})",
        number=two(float(row["rank_correlation"])),
        method=row["method"],
        other=row["other_method"],
    )


def _by_region(known: pd.DataFrame) -> str:
    gaps = {region: float(known[f"mass_difference_{region}"].mean()) for region in REGIONS}
    gaps = {region: gap for region, gap in gaps.items() if gap == gap}
    if not gaps:
        return ""
    widest = max(gaps, key=lambda region: gaps[region])
    return say(
        "The shares of relevance that two of them put on a region differ most on the {cue}, by "
        "{points} points on average.",
        cue=cue_words(widest),
        points=f"{100 * gaps[widest]:.0f}",
    )


def _caution(least: float) -> str:
    if least >= _STRONG:
        return say("What one of them shows, the others show too.")
    return say("What one of them shows of a photo, another need not show: rely on none alone.")


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
    run: Run,
    facts: RunFacts,
    kind: str,
    methods: tuple[str, ...],
    *,
    settings: ReportSettings,
    folder: str,
) -> tuple[Strip, ...]:
    """The photos on which the methods agree least, each beside its heatmaps."""
    # Of photos with several labels a photo has a row for each of them.
    least = [] if run.has("decisions") else _least_agreed(run, kind)
    keys = {(image_id, method) for _, image_id in least for method in methods}
    material = gather(run, keys, dict.fromkeys(methods, kind), root=facts.dataset_root)
    look = Look(facts.preprocess, facts.border, settings.tile)
    strips = []
    for mean, image_id in least:
        known = [(image_id, method) for method in methods if (image_id, method) in material.scores]
        if not known:
            continue
        plain = overlay_picture(
            material, known[0], look, masks=settings.masks, folder=folder, heat=False
        )
        caption = caption_of(material.scores[known[0]], (), facts=facts, method=None)
        shown = [Shown(plain, image_id, caption.headline, caption.right, (say("the photo"),))]
        for key in known:
            picture = overlay_picture(material, key, look, masks=settings.masks, folder=folder)
            line = masses(material.scores[key], ("object", "border"))
            shown.append(Shown(picture, image_id, key[1], None, (line,)))
        strips.append(Strip(_strip_title(image_id, mean), tuple(shown)))
    return tuple(strips)


def _strip_title(image_id: str, mean: float) -> str:
    return say("{image}, mean rank correlation {number}", image=image_id, number=two(mean))


def _least_agreed(run: Run, kind: str) -> list[tuple[float, str]]:
    """(mean rank correlation over the pairs, image id) of the photos with the least."""
    sums: pd.DataFrame | None = None
    where = (ds.field("target_kind") == kind) & ds.field("rank_correlation").is_valid()
    least: list[tuple[float, str]] = []
    for frame in run.scan("agreement_images", ["image_id", "rank_correlation"], where):
        by_image = frame.groupby("image_id")["rank_correlation"].agg(["sum", "count"])
        sums = by_image if sums is None else sums.add(by_image, fill_value=0)
    if sums is not None:
        means = sums["sum"] / sums["count"]
        least = heapq.nsmallest(_PHOTOS, zip(means.astype(float), means.index, strict=True))
    return least


def _number(value: float) -> float | None:
    return None if value != value else float(value)
