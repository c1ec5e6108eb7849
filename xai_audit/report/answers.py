"""What the evidence tables answer: a finding a class and cue, read for the page."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds

from xai_audit.run.cue_words import cue_words
from xai_audit.run.paths import RunPaths
from xai_audit.run.scan import scan
from xai_audit.schema import EVIDENCE, PULL, RELIANCE, TRANSPLANTS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from xai_audit.report.facts import RunFacts

CONFIRMED, SUSPECTED, AVAILABLE, CLEAR, UNDETERMINED = (
    *("confirmed", "suspected", "available", "clear", "undetermined"),
)
# Of two methods that disagree the more serious speaks; not knowing is worse than clear.
_GRAVITY = (CONFIRMED, SUSPECTED, AVAILABLE, UNDETERMINED, CLEAR)


@dataclass(frozen=True)
class Finding:
    """The answer for one class and cue.

    Attributes:
        class_name: the class.
        cue: the cue's name in the tables.
        verdict: one of ``schema.VERDICTS``.
        because: the sentence that gives the reason.
        question: ``reliance`` or ``pull``: the one whose effect ``because`` gives.
        effect: estimate of ``question``, a change of probability; None where not measured.
        low: of its 95 % interval, or None.
        high: of its 95 % interval, or None.
        row: every column of EVIDENCE; None where null.
    """

    class_name: str
    cue: str
    verdict: str
    because: str
    question: str
    effect: float | None
    low: float | None
    high: float | None
    row: Mapping[str, Any]

    @property
    def words(self) -> str:
        """What the cue is called."""
        return cue_words(self.cue)

    @property
    def anchor(self) -> str:
        """The id of its card on the page, made of letters that every link takes."""
        return "cell-" + f"{self.class_name}\0{self.cue}".encode().hex()


def two(value: float | None) -> str:
    """A probability or AUROC to two decimals; a dash where undefined."""
    if value is None:
        return "–"
    # Adding 0.0 takes the sign from -0.0.
    return f"{round(value, 2) + 0.0:.2f}"


def read_findings(paths: RunPaths, facts: RunFacts) -> list[Finding]:
    """The findings of a run; none where the evidence stage has not run or has to run again."""
    if not is_answered(paths, facts):
        return []
    cells: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in read_rows(paths.evidence, EVIDENCE):
        cells[row["class_name"], row["cue"]].append(row)
    return [_finding(rows) for rows in cells.values()]


def is_answered(paths: RunPaths, facts: RunFacts) -> bool:
    """Whether the evidence tables are those of the scores at hand."""
    return paths.evidence.is_file() and facts.is_finished("verdict")


def read_rows(file: Path, schema: pa.Schema) -> list[dict[str, Any]]:
    """The rows of a table, NaN and null both None; an absent table has no rows.

    Raises:
        OutputError: the file is no Parquet file.
    """
    rows: list[dict[str, Any]] = []
    for frame in scan([file] if file.is_file() else [], schema, schema.names):
        for values in frame.itertuples(index=False):
            cells = zip(schema.names, values, strict=True)
            rows.append({key: None if _is_nan(value) else value for key, value in cells})
    return rows


def probabilities(
    paths: RunPaths, findings: Collection[Finding]
) -> dict[tuple[str, str, str], tuple[float, float]]:
    """(class, cue, question) -> mean probability of the class with its cue and without it."""
    if not findings:  # an empty filter has no type that Arrow could compare
        return {}
    where = ds.field("given").is_null()
    where &= ds.field("class_name").isin(sorted({f.class_name for f in findings}))
    where &= ds.field("cue").isin(sorted({f.cue for f in findings}))
    by, values = ["class_name", "cue", "question"], ["p_with", "p_without"]
    sums: dict[tuple[str, str, str], list[float]] = {}
    for frame in scan(RunPaths.parts(paths.transplants), TRANSPLANTS, [*by, *values], where):
        known = frame.dropna(subset=values).astype(dict.fromkeys(values, "float64"))
        for (name, cue, question), rows in known.groupby(by):
            key = str(name), str(cue), str(question)
            had = sums.setdefault(key, [0.0, 0.0, 0.0])
            sums[key] = [a + b for a, b in zip(had, (*rows[values].sum(), len(rows)), strict=True)]
    return {key: (with_ / n, without / n) for key, (with_, without, n) in sums.items()}


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """The findings with the largest effect first, those without one last."""
    return sorted(
        findings,
        key=lambda f: (-float("-inf" if f.effect is None else f.effect), f.class_name, f.cue),
    )


def _finding(rows: list[dict[str, Any]]) -> Finding:
    """The finding of the rows of a class and cue, one a method: that of the gravest verdict."""
    row = min(rows, key=lambda r: (_GRAVITY.index(r["verdict"]), r["method"] or ""))
    question = _shown_question(row)
    return Finding(
        class_name=row["class_name"],
        cue=row["cue"],
        verdict=row["verdict"],
        because=_sentence(row["because"]),
        question=question,
        effect=row[question],
        low=row[f"{question}_low"],
        high=row[f"{question}_high"],
        row=row,
    )


def _shown_question(row: Mapping[str, Any]) -> str:
    """The question whose effect ``because`` gives: the one that confirmed, else a measured one."""
    if row["question"] is not None:
        return str(row["question"])
    return PULL if row[RELIANCE] is None and row[PULL] is not None else RELIANCE


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _sentence(text: str) -> str:
    """``text`` with its full stop."""
    text = text.strip()
    return text if text.endswith((".", "!", "?")) or not text else f"{text}."
