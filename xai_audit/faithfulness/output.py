"""The checks of every method in one table: means, intervals, and whether its maps are trusted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xai_audit.language import tell
from xai_audit.run.sample import seed_of
from xai_audit.schema import METHODS, OK, RANDOM, TRUST_MEASURES
from xai_audit.statistics.intervals import mean_interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# With fewer images it is undetermined whether maps change with the weights.
_MIN_IMAGES = 5
_BY_DRAW = ("similarity_head", "similarity_half", "similarity_all")
_RANGES = {"road": (-0.5, 0.5), "insertion": (0.0, 1.0), "deletion": (0.0, 1.0)}
_RANGES |= {"infidelity": (0.0, 1.0)} | dict.fromkeys(_BY_DRAW, (0.0, 1.0))
# The depths of randomised weights that decide, in words.
_DECIDING = {
    "similarity_half": tell("the upper half of the layers"),
    "similarity_all": tell("all layers"),
}
# Draws of the random weights, so that the result does not depend on one of them.
DRAWS = 5


def draw_of(image_id: str, seed: int) -> int:
    """The number of the draw of random weights that is used for an image."""
    return seed_of(seed, image_id, "draw") % DRAWS


def methods_table(tables: Mapping[str, pa.Table], *, kind: str, max_similarity: float) -> pa.Table:
    """The rows of METHODS.

    Args:
        tables: method -> its rows of TRUST.
        kind: what was explained.
        max_similarity: maps that stay as similar as this, with the upper half of the layers or
            all of them drawn anew, are not trusted; those that only the lowest layers move show
            edges, not what the model makes of them (Adebayo 2018, guided backpropagation).
    """
    rows = [
        {"method": method, "target_kind": kind} | _row(method, table, max_similarity)
        for method, table in tables.items()
    ]
    return pa.Table.from_pylist(rows, schema=METHODS)


def _row(method: str, table: pa.Table, max_similarity: float) -> dict[str, Any]:
    usable = table.filter(pc.equal(table.column("status"), OK))
    row: dict[str, Any] = {"n_images": usable.num_rows}
    frame = usable.select(["draw", *TRUST_MEASURES]).to_pandas()
    for name in TRUST_MEASURES:
        known = frame.dropna(subset=[name])
        # Photos under the same random weights are not independent; the draws are.
        values = known.groupby("draw")[name].mean() if name in _BY_DRAW else known[name]
        found = mean_of(values.to_numpy(np.float64), _RANGES.get(name, (0.0, math.inf)))
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), found, strict=True))
    count = int(frame[[*_DECIDING]].notna().all(axis=1).sum())
    trusted = _trusted(row, max_similarity) if count >= _MIN_IMAGES else None
    return row | {"trusted": trusted, "because": _because(method, row, trusted, count)}


def _trusted(row: dict[str, Any], max_similarity: float) -> bool | None:
    """Whether maps change with the weights at every depth; None if an interval holds the limit."""
    ends = [(row[f"{name}_low"], row[f"{name}_high"]) for name in _DECIDING]
    if any(low is None for low, _ in ends):
        return None
    if any(low >= max_similarity for low, _ in ends):
        return False
    return True if all(high < max_similarity for _, high in ends) else None


def mean_of(
    values: NDArray[np.float64], bounds: tuple[float, float]
) -> tuple[float | None, float | None, float | None]:
    """The mean of values (n,) and its 95 % interval by Student's t; None where undefined.

    The interval is cut at the ``bounds`` that no value can pass.
    """
    mean, low, high = mean_interval(values)
    if math.isnan(low):
        return None if math.isnan(mean) else mean, None, None
    return mean, max(low, bounds[0]), min(high, bounds[1])


def _because(method: str, row: dict[str, Any], trusted: bool | None, known: int) -> str:
    """The reason, in one sentence, why the maps are trusted or not."""
    if method == RANDOM:
        return tell("Maps of noise, to compare the others with.")
    if not known and row["n_images"]:
        return tell(
            "No map could be compared with one under random weights; a model of outputs has none."
        )
    if trusted is None and known < _MIN_IMAGES:
        if known == 1:
            return tell(
                "Only 1 map could be compared; at least {least:d} are needed.", least=_MIN_IMAGES
            )
        return tell(
            "Only {n:d} maps could be compared; at least {least:d} are needed.",
            n=known, least=_MIN_IMAGES,
        )  # fmt: skip
    worst = max(_DECIDING, key=lambda name: row[name])
    low, high = row[f"{worst}_low"], row[f"{worst}_high"]
    told = {"WHERE": _DECIDING[worst]}
    if low is None:
        told["NUMBERS"] = tell("rank correlation {value:.2f} in size", value=row[worst])
    else:
        told["NUMBERS"] = tell(
            "rank correlation {value:.2f} in size, 95 % interval {low:.2f} to {high:.2f}",
            value=row[worst], low=low, high=high,
        )  # fmt: skip
    if trusted is None:
        return tell(
            "With random weights in {WHERE} it is open whether its maps stay the same ({NUMBERS}, "
            "which holds the limit); more photos would decide (trust.images).",
            **told,
        )
    if trusted:
        return tell("With random weights in {WHERE} its maps become others ({NUMBERS}).", **told)
    return tell(
        "With random weights in {WHERE} its maps stay much the same ({NUMBERS}), so they do not "
        "show what the model has learned; its attention supports no verdict.",
        **told,
    )
