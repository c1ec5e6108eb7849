"""Whether the model knows the classes better than chance, and what would fit where it does not.

A model whose outputs are in another order than the classes, that sees other pixels than it was
trained on, or whose head was never trained gives heatmaps and verdicts that look like any others.
It is recognised by its accuracy. The rule is two binomial tests at the level 0.01 over the photos
with a prediction; K is the number of outputs. The model is at chance where

- it is not better: P(as many right or more | accuracy 1/K) > 0.01, and
- there are enough photos to say so: P(as few right or fewer | accuracy a) < 0.01, where
  a = 1/K + (1 - 1/K) / 4 is a quarter of the way from chance to all right.

So a model that is better than a is called wrong at most once in 100 runs, however few the photos:
the second test needs 7 photos of 3 classes with none right, and 54 with a third of them right.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from scipy.special import bdtr, bdtrc

from xai_audit.language import tell
from xai_audit.run.files import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from xai_audit.work.audit import Audit

log = logging.getLogger(__name__)

_LEVEL = 0.01
# Of the matrix of classes and outputs: 200 MB, and half a minute for the assignment.
_MOST_CELLS = 25_000_000
# Classes named in a sentence; the file names all.
_NAMED = 5

# (label, prediction) -> photos, of each half of every class.
Halves = tuple[Counter[tuple[int, int]], Counter[tuple[int, int]]]


@dataclass(frozen=True)
class Try:
    """Something that was changed, and how many photos the model is right on with it.

    Attributes:
        change: in words.
        right, n: photos, of so many.
        fits: whether that is better than chance, and than without the change.
        override: the keys that do it on the command line, "" for none.
    """

    change: str
    right: int
    n: int
    fits: bool
    override: str

    @property
    def words(self) -> str:
        """The result and how to get it, in one clause."""
        share = f"{self.right / self.n:.1%}" if self.n else "none"
        values = {"CHANGE": self.change, "share": share, "n": self.n}
        if self.override:
            return tell(
                "{CHANGE}: right on {share} of {n:d} photos, with {keys}",
                keys=self.override, **values,
            )  # fmt: skip
        return tell("{CHANGE}: right on {share} of {n:d} photos", **values)


def is_better(right: int, n: int, outputs: int) -> bool:
    """Whether ``right`` of ``n`` photos are more than chance among ``outputs`` gives."""
    return bool(bdtrc(right - 1, n, 1 / outputs) <= _LEVEL)


def is_at_chance(right: int, n: int, outputs: int) -> bool:
    """Whether the accuracy is at or below 1 / ``outputs``, by the rule of this module."""
    if not n or outputs < 2:
        return False
    some = 1 / outputs + (1 - 1 / outputs) / 4
    return not is_better(right, n, outputs) and bool(bdtr(right, n, some) < _LEVEL)


def checked(audit: Audit, files: Sequence[Path]) -> dict[str, Any]:
    """``below_chance`` and ``warnings`` of ``run.json``: None and [] for a model that knows.

    Only where it does not is the model run again, on 64 photos, and an order of the classes that
    fits better written to ``class_to_idx.json``. An error of the model in that is a line in the
    log and no more.

    Args:
        audit: with the manifest and what decoding found.
        files: the parts of ATTRIBUTIONS.
    """
    halves, outputs = predictions(files), audit.facts.num_outputs
    right = sum(n for half in halves for (label, pred), n in half.items() if label == pred)
    total = sum(map(Counter.total, halves))
    if not is_at_chance(right, total, outputs):
        return {"below_chance": None, "warnings": []}
    tries = [*_other_order(audit, halves, right), *_other_pixels(audit)]
    lines = _told(right, total, outputs, tries)
    counts = {"right": right, "n": total, "outputs": outputs}
    return {
        "below_chance": counts | {"tries": [asdict(each) for each in tries], "lines": lines},
        "warnings": [" ".join(lines)],
    }


def predictions(files: Iterable[Path]) -> Halves:
    """How many photos of each label have each prediction; a class's photos go to both in turn.

    A photo counts once, whatever the methods and targets, and only with a label and a prediction.
    """
    halves: Halves = (Counter(), Counter())
    seen: Counter[int] = Counter()
    for file in files:
        frame = pq.read_table(file, columns=["image_id", "label", "pred"]).to_pandas()
        frame = frame.drop_duplicates("image_id").dropna()
        for label, pred in zip(frame["label"].astype(int), frame["pred"].astype(int), strict=True):
            if label >= 0:
                halves[seen[label] % 2][label, pred] += 1
                seen[label] += 1
    return halves


def _told(right: int, n: int, outputs: int, tries: Sequence[Try]) -> list[str]:
    """What is wrong, then what would fit and what would not, a sentence each."""
    lines = [
        tell(
            "The model is no better than chance: it names the right class of {right:d} of {n:d} "
            "photos ({share:.1%}), and guessing among its {outputs:d} outputs gives {guess:.1%}. "
            "Heatmaps and verdicts say nothing about the classes until this is fixed.",
            right=right, n=n, share=right / n, outputs=outputs, guess=1 / outputs,
        )
    ]  # fmt: skip
    fit = sorted((t for t in tries if t.fits), key=lambda t: -t.right / t.n)
    lines += [tell("This would fit: {TRY}.", TRY=each.words) for each in fit]
    lines += [tell("This does not fit: {TRY}.", TRY=each.words) for each in tries if not each.fits]
    if not fit:
        lines.append(
            tell(
                "Check the checkpoint, its classification head, the labels, and whether the model "
                "takes the channels as BGR (no key does that; model=custom can)."
            )
        )
    return lines


def _other_order(audit: Audit, halves: Halves, right: int) -> list[Try]:
    """The best order of the classes, and its file; none where there are too many classes."""
    labels, outputs = audit.labels, audit.facts.num_outputs
    known = {*labels.values()} | {pred for half in halves for _, pred in half}
    if len(labels) * len(known) > _MOST_CELLS:
        return []
    found, fit = best_order([*labels.values()], sorted(known), halves)
    order = {name: found[label] for name, label in labels.items()}
    changed = [f"{name}={output}" for name, output in order.items() if output != labels[name]]
    total = sum(map(Counter.total, halves))
    fits = is_better(fit, total, outputs) and fit > right
    if not fits:
        return [Try(tell("the classes in another order"), fit, total, fits, "")]
    write_json(audit.paths.class_to_idx, order)
    named = ", ".join(changed[:_NAMED]) + (", ..." if len(changed) > _NAMED else "")
    override = f"dataset.class_to_idx={audit.paths.class_to_idx}"
    return [
        Try(
            tell("the classes in another order ({classes})", classes=named),
            fit,
            total,
            fits,
            override,
        )
    ]


def best_order(
    labels: Sequence[int], outputs: Sequence[int], halves: Halves
) -> tuple[dict[int, int], int]:
    """Label -> the output that fits it best, each output once, and how many photos it makes right.

    The order is that of all photos (the assignment of most photos, Kuhn 1955). The count is honest:
    each half of the photos is judged by the order that the other half gives, as the best order of
    a few photos makes many of them right by chance. Of orders that are equally good the one that
    changes the fewest classes is taken.

    Args:
        labels: of the classes, each once.
        outputs: a superset of the labels.
        halves: the photos.
    """
    one, other = (_matrix(labels, outputs, half) for half in halves)
    everything = _assigned(labels, outputs, one + other)
    rows = np.arange(len(labels))
    fit = one[rows, _assigned(labels, outputs, other)].sum()
    fit += other[rows, _assigned(labels, outputs, one)].sum()
    order = {label: outputs[column] for label, column in zip(labels, everything, strict=True)}
    return order, int(fit)


def _matrix(
    labels: Sequence[int], outputs: Sequence[int], half: Mapping[tuple[int, int], int]
) -> NDArray[np.int64]:
    """Photos by label and output."""
    row = {label: place for place, label in enumerate(labels)}
    column = {output: place for place, output in enumerate(outputs)}
    counts = np.zeros((len(labels), len(outputs)), dtype=np.int64)
    for (label, pred), n in half.items():
        if label in row:
            counts[row[label], column[pred]] += n
    return counts


def _assigned(
    labels: Sequence[int], outputs: Sequence[int], counts: NDArray[np.int64]
) -> NDArray[np.intp]:
    """The column of each row with the largest sum; a tie is decided by what is kept."""
    from scipy.optimize import linear_sum_assignment  # half a second, for a broken model alone

    kept = np.equal.outer(np.array(labels), np.array(outputs))
    columns: NDArray[np.intp] = linear_sum_assignment(
        counts * (len(labels) + 1) + kept, maximize=True
    )[1]
    return columns


def _other_pixels(audit: Audit) -> list[Try]:
    """Common preprocessings on some photos; none where the model fails on them."""
    from xai_audit.attribute.pixels import other_pixels  # loads torch

    try:
        return other_pixels(audit)
    # Whatever a model does here: the audit goes on.
    except Exception as exc:
        log.warning("other preprocessings could not be tried: %s: %s", type(exc).__name__, exc)
        return []
