"""What ``xai_audit.load`` returns: the tables of a run, its answer and its pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_audit.errors import AuditError, ConfigError, OutputError
from xai_audit.notebook.report import Report
from xai_audit.run import reader
from xai_audit.run.tables import TABLES

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from xai_audit.compare.comparison import Comparison
    from xai_audit.notebook.shown import Shown
    from xai_audit.notebook.view import View


class AuditRun(reader.Run):
    """A finished or half-finished run; tables and photos are read when they are first requested.

    A notebook that ends a cell with it shows the audit's answer.

    Args:
        root: the ``output_dir`` of the run.

    Raises:
        OutputError: the folder holds no run. Reading a table raises it, too, where the table is
            missing, does not belong to the scores at hand, or is broken.
    """

    def keep(self, *held: object) -> None:
        """Keep ``held`` alive as long as this run: a model and photos that lie in memory only."""
        self._held = held

    def lazy(self, table: str) -> Any:  # noqa: ANN401 - polars is an extra
        """``table`` as a ``polars.LazyFrame`` (extra ``polars``), of which nothing is read yet.

        For tables larger than memory; DuckDB takes the frame, too.

        Args:
            table: name of an attribute of this class. Of the manifest: without later statuses.

        Raises:
            OutputError: as :meth:`scan`; or polars is not installed.
        """
        if table not in TABLES:
            names = ", ".join(TABLES)
            raise OutputError("no such table", where="lazy", expected=f"one of {names}", got=table)
        if (problem := self._problem(table)) is not None:
            raise problem
        try:
            import polars
        except ImportError as exc:
            remedy = 'pip install "xai-audit[polars]"'
            raise OutputError("polars is not installed", where="lazy", remedy=remedy) from exc
        if files := self._files(table):
            return polars.scan_parquet(files)
        return polars.LazyFrame(polars.from_arrow(TABLES[table].schema.empty_table()))

    def heatmap(
        self,
        image_id: str,
        *,
        method: str | None = None,
        target: str = "label",
        class_name: str | None = None,
    ) -> NDArray[np.float32]:
        """The relevance (H, W) on the photo as stored, up to a factor; NaN outside of the view.

        Args:
            image_id: as in the tables.
            method: None: the run's first.
            target: a target kind of the run: ``label``, ``contrast``, ``pred``, ...
            class_name: of a photo with several labels; None: the first of them.

        Raises:
            OutputError: the run has no such photo, or no heatmap of it.
        """
        from xai_audit.notebook.photo import heatmap_on_photo

        return heatmap_on_photo(self, image_id, method, target, class_name)

    def show(
        self,
        image_id: str | None = None,
        *,
        cue: str | None = None,
        class_name: str | None = None,
        method: str | None = None,
        target: str | None = None,
    ) -> Shown:
        """A photo beside itself under its heatmap, or the proof of a cell of class and cue.

        The proof is the pairs that moved the decision most, made again: the photo as the model sees
        it, with the cue of a photo of the class, and with that of another class. It loads torch.

        Example:
            >>> run.show("daisy/12.jpg")
            >>> run.show(cue="border", class_name="daisy")

        Args:
            image_id: of a photo.
            cue: of a cell, with ``class_name``.
            class_name: of a cell; or of a photo with several labels, None: the first of them.
            method: of the heatmap; None: the run's first.
            target: kind of the heatmap; None: as in the report.

        Raises:
            ConfigError: neither a photo nor a cell, or both.
            OutputError: the run has no such photo or cell.
        """
        of_photo = class_name is None or self.has("decisions")
        if image_id is not None and cue is None and of_photo:
            from xai_audit.notebook.photo import shown_photo

            return shown_photo(self, image_id, method, target, class_name)
        if image_id is None and cue is not None and class_name is not None:
            from xai_audit.notebook.proof import shown_cell

            return shown_cell(self, class_name, cue)
        raise ConfigError(
            "what is to be shown is not clear",
            where="show",
            expected="an image_id, or cue and class_name",
            remedy='show("daisy/12.jpg") or show(cue="border", class_name="daisy")',
        )

    def view(self, **chosen: Any) -> View:  # noqa: ANN401 - the attributes of Choice
        """Photos chosen by what was found of them: a gallery in a notebook, else the explore page.

        Outside of a notebook the page opens in the browser; ``.url`` is its address, ``.photos``
        the frame of the photos.

        Example:
            >>> run.view(class_name="daisy", wrong=True, sort="mass_border").photos

        Args:
            **chosen: ``class_name``, ``cue``, ``verdict``, ``reason``, ``wrong``, ``carrier``,
                ``method``, ``sort``, ``text``: see :class:`~xai_audit.notebook.view.Choice`.

        Raises:
            ConfigError: a word that this run does not have.
            OutputError: a table is missing or broken.
        """
        from xai_audit.notebook.view import shown_view

        return shown_view(self, chosen)

    def compare(self, *others: AuditRun | Path | str, noise: float | None = None) -> Comparison:
        """What changed from this run to ``others``: the same transplants, asked of each model.

        Example:
            >>> found = run.compare("outputs/photos/resnet18-later/gradcam")
            >>> found.table[found.table.word != "no change"]
            >>> found.save("comparison")  # the page and its tables

        Args:
            *others: finished runs, their output folders, or the addresses of these.
            noise: the smallest difference of an effect, a change of probability, that is a change;
                None: 0.1.

        Raises:
            ConfigError: no other run, this one itself, or a threshold that is none.
            OutputError: a run without verdicts, or one that shares nothing with this one.
        """
        from xai_audit import load
        from xai_audit.compare import comparison

        runs = [one if isinstance(one, AuditRun) else load(one) for one in others]
        return comparison.compare([self, *runs], noise=comparison.NOISE if noise is None else noise)

    @property
    def report(self) -> Report:
        """The report; ``.open()`` shows it in the browser, ``.path`` is its first page."""
        return Report(self.paths.index_html, is_current=self.finished("report"))

    def to_fiftyone(self, name: str = "xai_audit") -> Any:  # noqa: ANN401 - not a dependency
        """A ``fiftyone.Dataset`` of the photos: classes, prediction, masses, flags and heatmap.

        One of the same name is replaced.

        Raises:
            OutputError: FiftyOne is not installed, nothing was scored, or the photos are no files.
        """
        from xai_audit.notebook.export import to_fiftyone

        return to_fiftyone(self, name)

    def to_spotlight(self, **options: Any) -> Any:  # noqa: ANN401 - not a dependency
        """The viewer that ``renumics.spotlight.show`` opens on the photos and their scores.

        Args:
            **options: of ``spotlight.show``, as ``no_browser=True``.

        Raises:
            OutputError: Spotlight is not installed, nothing was scored, or the photos are no files.
        """
        from xai_audit.notebook.export import to_spotlight

        return to_spotlight(self, **options)

    def __repr__(self) -> str:
        """The answer in a few lines."""
        from xai_audit.notebook.answer import answer_text

        try:
            return answer_text(self)
        except AuditError:  # whoever prints it is not to fail
            return f"AuditRun({str(self.root)!r})"

    def _repr_html_(self) -> str:
        from xai_audit.notebook.answer import answer_html

        return answer_html(self)
