"""Flags: images that are unusual for their class, or wrongly predicted, with the reason."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from xai_audit.run.files import write_table
from xai_audit.run.verdicts import kinds_of_run, of_kinds, preferred_kinds
from xai_audit.schema import ABSENT, BANDS, FLAGS

if TYPE_CHECKING:
    from xai_audit.run.reader import Run

log = logging.getLogger(__name__)

MISTAKE = "mistake"
OFF_OBJECT = "off_object"
# Reason -> the side of the class's median that is suspicious.
_SIDES = {**dict.fromkeys(BANDS, 1.0), "background": 1.0, "object": -1.0}
REASONS = (*_SIDES, OFF_OBJECT, MISTAKE)

# With fewer images a class's median and spread are too uncertain.
MIN_IMAGES = 8
# Half the class may have one and the same value (0 in a corner that is never relevant): its MAD is
# 0, and any difference would be infinite. The spread is at least one percent of the relevance.
MIN_SPREAD = 0.01
# The MAD of a normal distribution times this is its standard deviation.
_MAD_TO_SIGMA = 1.4826

_ROW = FLAGS.names[: FLAGS.names.index("reason")]
_MEASURED = ("value", "class_median", "class_spread", "distance")
_NEEDED = [*_ROW, *(f"mass_{region}" for region in _SIDES), "pointing_hit"]


def find_flags(scores: pd.DataFrame, *, z: float, min_excess: float) -> pd.DataFrame:
    """The flags (columns of ``schema.FLAGS``) of ``scores``, most suspicious first.

    A region's mass is flagged where it lies ``z`` robust standard deviations (1.4826 MAD of its
    class and method) and ``min_excess`` from the class's median, on the suspicious side. Each
    method is judged by its ``contrast`` target where present, else ``label``, else ``pred``. Of
    photos with several labels a mistake is a decision for a class, or not for it.

    Args:
        scores: rows of ``schema.SCORES``.
        z: see above.
        min_excess: share of relevance, 0..1.
    """
    kinds = preferred_kinds(scores)
    rows = scores[scores["target_kind"] == scores["method"].map(kinds)].reset_index(drop=True)
    found = [
        _unusual(rows, reason, side=side, z=z, min_excess=min_excess)
        for reason, side in _SIDES.items()
    ]
    alarms = scores[scores["label"].eq(ABSENT)]
    judged = pd.concat([rows, alarms], ignore_index=True) if len(alarms) else rows
    found += [_off_object(rows), _mistakes(judged)]
    filled = [frame for frame in found if len(frame)]
    return _ranked(pd.concat(filled or found[:1], ignore_index=True))


def write_flags(run: Run, *, z: float, min_excess: float) -> pd.DataFrame:
    """The flags of a run, also written to its ``flags.parquet``; reads the columns it needs only.

    Raises:
        OutputError: the scores are missing or broken.
    """
    kinds = kinds_of_run(run)
    alarm = ds.field("label") == ABSENT  # explained as the prediction that it is
    scores = run.collect("scores", _NEEDED, of_kinds(kinds) | alarm)
    flags = find_flags(scores, z=z, min_excess=min_excess)
    write_table(run.paths.flags, pa.Table.from_pandas(flags, schema=FLAGS, preserve_index=False))
    log.info("flag: %d flags on %d images", len(flags), flags["image_id"].nunique())
    return flags


def _against_class(rows: pd.DataFrame, region: str, *, side: float) -> pd.DataFrame:
    """A row's mass in ``region`` beside its class: the columns of ``_MEASURED`` and ``excess``.

    In a class too small for statistics all but ``value`` are NaN.
    """
    by = [rows["method"], rows["class_name"]]
    value = rows[f"mass_{region}"].astype("float64")
    median = value.groupby(by, observed=True).transform("median")
    mad = (value - median).abs().groupby(by, observed=True).transform("median")
    enough = value.groupby(by, observed=True).transform("count") >= MIN_IMAGES
    spread = (_MAD_TO_SIGMA * mad).clip(lower=MIN_SPREAD).where(enough)
    excess = (side * (value - median)).where(enough)
    measured = (value, median.where(enough), spread, excess / spread)
    return pd.DataFrame({**dict(zip(_MEASURED, measured, strict=True)), "excess": excess})


def _unusual(
    rows: pd.DataFrame, region: str, *, side: float, z: float, min_excess: float
) -> pd.DataFrame:
    """The rows with a mass in ``region`` far from the class's median, on the suspicious side."""
    measured = _against_class(rows, region, side=side)
    far = (measured["distance"] >= z) & (measured["excess"] >= min_excess)
    return _flagged(rows[far], region, measured)


def _off_object(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the most relevant point off the object, with their mass on the object."""
    missed = rows["pointing_hit"].eq(False)
    return _flagged(rows[missed], OFF_OBJECT, _against_class(rows, "object", side=-1.0))


def _mistakes(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per image and wrong prediction, however many methods explained it."""
    labelled = rows["label"].notna() & ((rows["label"] >= 0) | (rows["label"] == ABSENT))
    wrong = rows[labelled & rows["pred"].notna() & (rows["pred"] != rows["label"])]
    wrong = wrong.sort_values(["method", "image_id"])
    wrong = wrong.drop_duplicates(["image_id", "class_name"])
    confidence = wrong["confidence"].astype("float64")
    measured = pd.DataFrame({"value": confidence, "distance": confidence}, columns=[*_MEASURED])
    return _flagged(wrong, MISTAKE, measured)


def _flagged(rows: pd.DataFrame, reason: str, measured: pd.DataFrame) -> pd.DataFrame:
    """``rows`` with the reason, the measured value, the class's median and their distance."""
    columns = {name: measured.loc[rows.index, name] for name in _MEASURED}
    flagged: pd.DataFrame = rows[_ROW].assign(reason=reason, **columns)
    return flagged


def _ranked(flags: pd.DataFrame) -> pd.DataFrame:
    """``flags`` sorted by class, reason and suspicion, with ``rank`` counted from 1."""
    # Only ``off_object`` in a class too small for a spread has no distance: less mass on the
    # object is worse.
    suspicion = flags["distance"].fillna(-flags["value"])
    order = flags["reason"].map({reason: i for i, reason in enumerate(REASONS)})
    flags = flags.assign(suspicion=suspicion, order=order).sort_values(
        ["class_name", "order", "suspicion", "image_id", "method"],
        ascending=[True, True, False, True, True],
        ignore_index=True,
    )
    rank = flags.groupby(["class_name", "reason"], dropna=False).cumcount() + 1
    ranked: pd.DataFrame = flags.assign(rank=rank.astype("int32"))[FLAGS.names]
    return ranked
