"""The three questions brought together: one row a class, cue and method, and the summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from xai_audit.evidence.harm import harm
from xai_audit.evidence.plan import OTHERS, PULL, RELIANCE, shown
from xai_audit.evidence.stats import UNKNOWN, Estimate, paired
from xai_audit.schema import EVIDENCE

# What makes a row of transplants/ one pair.
_PAIR = ["class_name", "cue", "question", "image_id", "donor_with", "donor_without"]

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xai_audit.evidence.attention import Attention
    from xai_audit.evidence.availability import Availability
    from xai_audit.evidence.plan import Cell


@dataclass(frozen=True)
class Answers:
    """Everything that was measured.

    Attributes:
        cells: the plan, one a class and cue.
        ways: cue -> way.
        transplants: the rows of TRANSPLANTS.
        availability: by cue; cues without descriptors are absent.
        attention: (method, target kind, cue) -> class -> what was found.
        classes: (n,) class names of the photos that were read.
        names: of the classes, the columns of ``Availability.presence``.
        correct: (n,) whether the model is right about them.
        usable: cue -> (n,) bool.
        seed: of the run.
    """

    cells: Sequence[Cell]
    ways: Mapping[str, str]
    transplants: pd.DataFrame
    availability: Mapping[str, Availability]
    attention: Mapping[tuple[str, str, str], Mapping[str, Attention]]
    classes: NDArray[np.str_]
    names: Sequence[str]
    correct: NDArray[np.bool_]
    usable: Mapping[str, NDArray[np.bool_]]
    seed: int


def cell_rows(
    answers: Answers, methods: Mapping[str, str], trusted: Mapping[str, bool | None]
) -> pd.DataFrame:
    """A row a class, cue and method with what was measured, not yet judged.

    Args:
        answers: what was measured.
        methods: method -> the target kind that its attention is about.
        trusted: method -> whether its maps change with the model's weights; absent: not checked.
    """
    rows = []
    pairs = _by_cell(answers.transplants)
    for cell in answers.cells:
        measured = _effects(answers, cell, pairs) | _offered(answers, cell)
        for method, kind in methods.items():
            rows.append(
                {"class_name": cell.class_name, "cue": shown(cell.cue), "method": method}
                | measured
                | _attended(answers, cell, method, kind)
                | {"attention_trusted": trusted.get(method)}
            )
    return pd.DataFrame(rows)


def shares_left(
    apart: pd.DataFrame, transplants: pd.DataFrame, *, least: int
) -> dict[tuple[str, str, str], float]:
    """(class, cue, other cue) -> the share of the cue's effect left with the other's put back.

    Both effects are of the same pairs; a class without ``least`` of them is absent.
    """
    plain = transplants[transplants["beyond"].isna()]
    both = apart.merge(plain[[*_PAIR, "p_with", "p_without"]], on=_PAIR, suffixes=("", "_plain"))
    both["left"] = both["p_with"] - both["p_without"]
    both["effect"] = both["p_with_plain"] - both["p_without_plain"]
    known = both.dropna(subset=["left", "effect"])
    return {
        (str(name), str(cue), str(other)): float(rows["left"].mean() / rows["effect"].mean())
        for (name, cue, other), rows in known.groupby(["class_name", "cue", "beyond"])
        if len(rows) >= least and rows["effect"].mean() > 0
    }


def _by_cell(transplants: pd.DataFrame) -> dict[tuple[str, str, str], pd.DataFrame]:
    plain = transplants[transplants["beyond"].isna()]
    return {
        (str(name), str(cue), str(question)): rows
        for (name, cue, question), rows in plain.groupby(["class_name", "cue", "question"])
    }


def _differences(rows: pd.DataFrame, what: str = "p") -> NDArray[np.float64]:
    values: NDArray[np.float64] = (rows[f"{what}_with"] - rows[f"{what}_without"]).to_numpy(
        np.float64
    )
    known: NDArray[np.float64] = values[np.isfinite(values)]
    return known


def _effects(
    answers: Answers, cell: Cell, pairs: Mapping[tuple[str, str, str], pd.DataFrame]
) -> dict[str, Any]:
    """Reliance, pull and accuracies of one cell."""
    nothing = answers.transplants.iloc[:0]
    own = pairs.get((cell.class_name, shown(cell.cue), RELIANCE), nothing)
    others = pairs.get((cell.class_name, shown(cell.cue), PULL), nothing)
    # What a photo has lost cannot be given back: the others lose it instead.
    asked = others if cell.measured_on == OTHERS else own
    differences = _differences(asked)
    known = own.dropna(subset=["correct_with", "correct_without"])
    return {
        "n_images": len(differences),
        "measured_on": cell.measured_on,
        "why": cell.why,
        "way": answers.ways[cell.cue],
        "wanted": cell.wanted,
        "sd": float(np.std(differences, ddof=1)) if len(differences) > 1 else float("nan"),
        **_columns("reliance", paired(differences, seed=answers.seed)),
        **_columns("pull", paired(_differences(others), seed=answers.seed)),
        "reliance_log_odds": _mean(_differences(asked, "log_odds")),
        "pull_log_odds": _mean(_differences(others, "log_odds")),
        "accuracy_with": _mean(known["correct_with"].to_numpy(np.float64)),
        "accuracy_without": _mean(known["correct_without"].to_numpy(np.float64)),
        "forwards": 2 * (len(own) + len(others)),
    }


def _offered(answers: Answers, cell: Cell) -> dict[str, Any]:
    """Availability of one cell, and accuracy where the cue agrees with the label."""
    mine = answers.classes == cell.class_name
    found = answers.availability.get(cell.cue)
    usable = answers.usable.get(cell.cue, np.zeros(len(mine), dtype=bool))
    columns = _columns("availability", UNKNOWN) | {"n_read": int((mine & usable).sum())}
    if found is None:
        return columns
    column = list(answers.names).index(cell.class_name)
    sides = harm(found.presence[:, column], mine, answers.correct)
    return columns | {
        **_columns("availability", found.estimates.get(cell.class_name, UNKNOWN)),
        "accuracy_agree": sides.agree,
        "accuracy_disagree": sides.disagree,
        "n_agree": sides.n_agree,
        "n_disagree": sides.n_disagree,
    }


def _attended(answers: Answers, cell: Cell, method: str, kind: str) -> dict[str, Any]:
    found = answers.attention.get((method, kind, cell.cue), {}).get(cell.class_name)
    label = answers.attention.get((method, "label", cell.cue), {}).get(cell.class_name)
    return {
        **_columns("attention", UNKNOWN if found is None else found.estimate),
        "attention_kind": kind,
        "attention_label": float("nan") if label is None else label.estimate.value,
        "area": float("nan") if found is None else found.area,
        "mass": float("nan") if found is None else found.mass,
    }


def _columns(question: str, estimate: Estimate) -> dict[str, float]:
    return {
        question: estimate.value,
        f"{question}_low": estimate.low,
        f"{question}_high": estimate.high,
        f"{question}_p": estimate.p,
    }


def core_accuracy(cells: pd.DataFrame) -> pd.Series:
    """Per row the class's accuracy on the object alone: the rest comes from other classes."""
    rows = cells[cells["cue"] == "background"]
    return cells["class_name"].map(rows.groupby("class_name")["accuracy_without"].first())


def evidence_table(judged: pd.DataFrame) -> pa.Table:
    """The judged rows in EVIDENCE, by class, cue and method; NaN is null."""
    frame = judged.reindex(columns=EVIDENCE.names)
    return pa.Table.from_pandas(frame, schema=EVIDENCE, preserve_index=False)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
