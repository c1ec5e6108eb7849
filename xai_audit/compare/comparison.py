"""Two or more finished audits compared with the first of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from xai_audit.compare.cells import cell_rows
from xai_audit.compare.decided import disagreements
from xai_audit.compare.measures import measure_rows
from xai_audit.compare.shared import Side, check_labels, names_of, shared
from xai_audit.compare.words import with_words
from xai_audit.errors import ConfigError, OutputError
from xai_audit.run.files import write_table
from xai_audit.schema import COMPARISON, DISAGREEMENTS, MEASURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.compare.shared import Shared
    from xai_audit.run.reader import Run

NOISE = 0.1
TABLE, MEASURED, DISAGREED = "comparison.parquet", "measures.parquet", "disagreements.parquet"
PAGE = "index.html"


@dataclass(frozen=True)
class Comparison:
    """What changed between the first run, the reference, and each other one.

    A notebook that ends a cell with it shows the answer.

    Attributes:
        sides: the runs, the reference first.
        common: what each other run shares with the reference.
        tables: file name -> its Arrow table.
        noise: the smallest difference that is called a change.
        q: the false discovery rate.
    """

    sides: tuple[Side, ...]
    common: tuple[Shared, ...]
    tables: dict[str, pa.Table]
    noise: float
    q: float

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a run, class and cue (``schema.COMPARISON``)."""
        frame: pd.DataFrame = self.tables[TABLE].to_pandas()
        return frame

    @cached_property
    def measures(self) -> pd.DataFrame:
        """One row a run, class and measure (``schema.MEASURES``); class "" is all photos."""
        frame: pd.DataFrame = self.tables[MEASURED].to_pandas()
        return frame

    @cached_property
    def disagreements(self) -> pd.DataFrame:
        """One row a run and photo that it predicts otherwise (``schema.DISAGREEMENTS``)."""
        frame: pd.DataFrame = self.tables[DISAGREED].to_pandas()
        return frame

    @property
    def names(self) -> tuple[str, ...]:
        """What the runs are called, the reference first."""
        return tuple(side.name for side in self.sides)

    def save(self, folder: Path | str, *, language: str | None = None) -> Path:
        """The page of the comparison, written to ``folder`` with its tables.

        Args:
            folder: a new one, or one that holds a comparison.
            language: ``en`` or ``zh``; None: that of the first run's report.

        Raises:
            OutputError: the folder holds something else.
        """
        from xai_audit.compare.page import write_page

        place = Path(folder).expanduser().absolute()
        check_folder(place)
        for name, table in self.tables.items():
            write_table(place / name, table)
        return write_page(self, place / PAGE, language)

    def __repr__(self) -> str:
        """The answer in a few lines."""
        from xai_audit.compare.answer import lines

        return "\n".join([f"Comparison({', '.join(map(repr, self.names))})", *lines(self)])

    def _repr_html_(self) -> str:
        from xai_audit.compare.page import answer_html

        return answer_html(self)


def compare(runs: Sequence[Run], *, noise: float = NOISE) -> Comparison:
    """The comparison of finished ``runs`` with the first of them; reads tables alone.

    Args:
        runs: at least two, of different folders.
        noise: the smallest difference of an effect, a change of probability, that is a change.

    Raises:
        ConfigError: fewer runs than two, one twice, or a threshold that is none.
        OutputError: a run without verdicts, one that shares nothing with the first, or one whose
            photos have several labels where the first's have one.
    """
    folders = [run.root for run in runs]
    if len({folder.resolve() for folder in folders}) < max(len(folders), 2):
        raise ConfigError(
            "two different audits are needed for a comparison",
            where="compare",
            got=", ".join(map(str, folders)) or "none",
            remedy="xai-audit compare DIR OTHER_DIR",
        )
    if not 0 <= noise < 1:
        expected = "a change of probability, 0 or more and below 1"
        raise ConfigError("no such threshold", where="noise", expected=expected, got=noise)
    for run in runs:
        if not run.has("evidence"):
            raise OutputError(
                "this audit has no verdicts yet",
                where=run.root,
                remedy="add evidence to stages and run the same command again",
            )
    sides = tuple(Side(name, run) for name, run in zip(names_of(folders), runs, strict=True))
    for side in sides[1:]:
        check_labels(sides[0], side)
    return _compared(sides, noise)


def _compared(sides: tuple[Side, ...], noise: float) -> Comparison:
    reference, others = sides[0], sides[1:]
    rows: dict[str, list[dict[str, Any]]] = {TABLE: [], MEASURED: [], DISAGREED: []}
    common = []
    for other in others:
        both = shared(reference, other)
        if not both.cells:
            _nothing(reference, other, both)
        common.append(both)
        rows[TABLE] += cell_rows(reference, other, both)
        rows[MEASURED] += measure_rows(reference, other, both)
        rows[DISAGREED] += disagreements(reference, other, both)
    q = float((reference.run.record.get("limits") or {}).get("q", 0.05))
    rows[TABLE] = with_words(rows[TABLE], reference=reference.name, noise=noise, q=q)
    columns = {TABLE: COMPARISON, MEASURED: MEASURES, DISAGREED: DISAGREEMENTS}
    tables = {name: _table(rows[name], schema) for name, schema in columns.items()}
    return Comparison(sides, tuple(common), tables, noise, q)


def _nothing(reference: Side, other: Side, both: Shared) -> None:
    """Raise OutputError: no cell is shared."""
    cues = [", ".join(sorted({cell[1] for cell in side.cells})[:4]) for side in (reference, other)]
    raise OutputError(
        "nothing to compare: the audits share no class and cue",
        where=other.run.root,
        expected=f"classes and cues of {reference.run.root}",
        got=f"{len(both.classes)} shared classes; cues {cues[0]} there and {cues[1]} here",
        remedy="compare audits of the same classes with the same cues",
    )


def _table(rows: list[dict[str, Any]], columns: pa.Schema) -> pa.Table:
    """``rows`` in ``columns``; NaN is null."""
    frame = pd.DataFrame(rows, columns=columns.names)
    return pa.Table.from_pandas(frame, schema=columns, preserve_index=False)


def check_folder(folder: Path) -> None:
    """Raise OutputError where ``folder`` holds what is no comparison."""
    try:
        found = sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as exc:
        raise OutputError("cannot write the output folder", where=folder, got=exc) from exc
    if found and TABLE not in found:
        raise OutputError(
            "the output folder is not empty and holds no comparison",
            where=folder,
            got=", ".join(found[:3]),
            remedy="output_dir=ANOTHER_FOLDER",
        )
