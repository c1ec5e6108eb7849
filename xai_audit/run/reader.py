"""A run's folder opened for reading: every table as a frame, without torch."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds

from xai_audit import schema
from xai_audit.errors import OutputError
from xai_audit.run.files import read_json, read_table, scan, scan_table
from xai_audit.run.lookup import files_with, of_images
from xai_audit.run.manifest import with_statuses
from xai_audit.run.paths import RunPaths
from xai_audit.run.tables import LAST, TABLES
from xai_audit.run.verdicts import person_view

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import pandas as pd


# Columns of the manifest that later stages may know better.
_LATER = {"status", "error"}


class Run:
    """The folder of a finished or half-finished run; a table is read when it is first used.

    Args:
        root: the ``output_dir`` of the run.

    Raises:
        OutputError: the folder holds no run. Reading a table raises it, too, where the table is
            missing, does not belong to the scores at hand, or is broken.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.paths = RunPaths(self.root)
        self.record: dict[str, Any] = _record(self.paths)

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration of the last command."""
        return self.record.get("config") or {}

    def finished(self, stage: str) -> bool:
        """Whether a stage, or a word of ``stages=[...]``, is finished and up to date."""
        # A record written by hand has no fingerprints: its tables are taken as they are.
        noted = self.record.get("fingerprints")
        return noted is None or LAST.get(stage, stage) in noted

    def has(self, table: str) -> bool:
        """Whether ``table``, an attribute of this class, can be read."""
        return self._problem(table) is None

    def scan(
        self,
        table: str,
        columns: Sequence[str] | None = None,
        where: ds.Expression | None = None,
        *,
        ids: Collection[str] | None = None,
    ) -> Iterator[pd.DataFrame]:
        """The rows of ``table`` in frames of bounded size.

        Args:
            table: name of an attribute of this class, or ``agreement_images``.
            columns: all of the table's where None; those that the files lack are null.
            where: the rows to read.
            ids: of the images whose rows are read, of a table of images; files without any of them
                are left closed. None: all.

        Raises:
            OutputError: the table is missing, of other scores, or broken.
        """
        problem, kind = self._problem(table), TABLES[table]
        if problem is not None:
            raise problem
        names = [*(kind.schema.names if columns is None else columns)]
        files, plain = self._files(table), where is None and not {*names} & _LATER
        if ids is not None:
            files = files_with(files, some := sorted(ids))
            where = of_images(some) if where is None else where & of_images(some)
        if table == "manifest" and not plain and self.paths.statuses.is_file():
            return scan_table(_joined(self.paths), names, where)
        return scan(files, kind.schema, names, where)

    def collect(
        self, table: str, columns: Sequence[str] | None = None, where: ds.Expression | None = None
    ) -> pd.DataFrame:
        """The rows of :meth:`scan` in one frame, which has its columns even without a row."""
        import pandas as pd

        frames = list(self.scan(table, columns, where))
        if frames:
            return pd.concat(frames, ignore_index=True)
        whole = TABLES[table].schema.empty_table()
        empty: pd.DataFrame = (whole if columns is None else whole.select([*columns])).to_pandas()
        return empty

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """One row an image found (``schema.MANIFEST``), with the statuses of later stages."""
        return self.collect("manifest")

    @property
    def attributions(self) -> pd.DataFrame:
        """One row an image, method and target kind (``schema.ATTRIBUTIONS``); read each time."""
        return self.collect("attributions")

    @property
    def scores(self) -> pd.DataFrame:
        """One row an image, method and target kind (``schema.SCORES``); read each time."""
        return self.collect("scores")

    @cached_property
    def decisions(self) -> pd.DataFrame:
        """How right the decisions for each class are, where photos have several labels."""
        return self.collect("decisions")

    @cached_property
    def evidence(self) -> pd.DataFrame:
        """One row a class, cue and method (``schema.EVIDENCE``), null as NaN or None."""
        return self.collect("evidence")

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """One row a class and cue, the gravest first: the evidence in short.

        Columns ``class_name``, ``cue``, ``verdict``, ``effect``, ``effect_low``, ``effect_high``,
        ``question``, ``explained_by``, ``because``; see :func:`~xai_audit.run.verdicts.gravest`.
        """
        return person_view(self.evidence)

    @property
    def transplants(self) -> pd.DataFrame:
        """One row a transplanted pair (``schema.TRANSPLANTS``); read each time."""
        return self.collect("transplants")

    @cached_property
    def carriers(self) -> pd.DataFrame:
        """One row a class, cue and photo that carries it (``schema.CARRIERS``)."""
        return self.collect("carriers")

    @cached_property
    def pulls(self) -> pd.DataFrame:
        """One row a class, cue and class whose photos become it (``schema.PULLS``)."""
        return self.collect("pulls")

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row a cue (``schema.SUMMARY``): how much accuracy depends on it."""
        return self.collect("summary")

    @cached_property
    def groups(self) -> pd.DataFrame:
        """One row a class and group of the dataset's own column (``schema.GROUPS``)."""
        return self.collect("groups")

    @cached_property
    def clusters(self) -> pd.DataFrame:
        """One row a class and discovered strategy (``schema.CLUSTERS``)."""
        return self.collect("clusters")

    @cached_property
    def methods(self) -> pd.DataFrame:
        """One row a method (``schema.METHODS``): whether its maps can be trusted."""
        return self.collect("methods")

    @cached_property
    def agreement(self) -> pd.DataFrame:
        """One row a class, pair of methods and target kind (``schema.AGREEMENT``)."""
        return self.collect("agreement")

    @cached_property
    def boundaries(self) -> pd.DataFrame:
        """One row a confused pair of classes, direction and method (``schema.BOUNDARIES``)."""
        return self.collect("boundaries")

    @cached_property
    def adversarial(self) -> pd.DataFrame:
        """One row an image and attack (``schema.ADVERSARIAL``)."""
        return self.collect("adversarial")

    @cached_property
    def augmentation(self) -> pd.DataFrame:
        """One row an image and augmentation (``schema.AUGMENTATION``)."""
        return self.collect("augmentation")

    @cached_property
    def flags(self) -> pd.DataFrame:
        """One row an image and reason (``schema.FLAGS``): images unusual in their class."""
        return self.collect("flags")

    def _files(self, table: str) -> list[Path]:
        place: Path = getattr(self.paths, table)
        prefixes = TABLES[table].prefixes
        found = [file for prefix in prefixes for file in RunPaths.parts(place, prefix=prefix)]
        return found if prefixes else [place]

    def _problem(self, table: str) -> OutputError | None:
        """Why ``table`` cannot be read, None where it can."""
        place, kind = getattr(self.paths, table), TABLES[table]
        remedy = f"add {kind.word} to stages and run the same command again"
        if kind.prefixes:  # written part by part; a stage without an image has no folder
            if place.is_dir() or self.finished(kind.stage):
                return None
        elif place.is_file():
            if table == "manifest" or self.finished(kind.stage):
                return None
            return OutputError("a table of this run is out of date", where=place, remedy=remedy)
        return OutputError("a table of this run is missing", where=place, remedy=remedy)


def _record(paths: RunPaths) -> dict[str, Any]:
    """The content of ``run.json``."""
    if not paths.run_json.is_file():
        raise OutputError(
            "this folder holds no run",
            where=paths.root,
            expected=f"a {paths.run_json.name} in it",
            got="none" if paths.root.is_dir() else "no such folder",
            remedy="give the output_dir of a run",
        )
    content = read_json(paths.run_json)
    if isinstance(content, dict):
        return content
    raise OutputError(
        "the record of this run cannot be read",
        where=paths.run_json,
        expected="a JSON object",
        got="no readable JSON" if content is None else type(content).__name__,
        remedy="run the same command again",
    )


def _joined(paths: RunPaths) -> pa.Table:
    """The manifest in its own order with the statuses that later stages found."""
    read_table(paths.statuses, schema.STATUSES)  # a broken one is an error in one line
    return with_statuses(read_table(paths.manifest, schema.MANIFEST), paths.statuses)
