"""The report of a run, from a notebook."""

from __future__ import annotations

import webbrowser
from typing import TYPE_CHECKING

from xai_audit.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path


class Report:
    """The report of a run.

    Attributes:
        path: of its first page.
        is_current: whether it is of the tables as they are, not of an earlier command.
    """

    def __init__(self, path: Path, *, is_current: bool) -> None:
        self.path, self.is_current = path, is_current

    def page(self) -> Path:
        """Its first page.

        Raises:
            OutputError: it has not been made.
        """
        if not self.path.is_file():
            raise OutputError(
                "this run has no report",
                where=self.path,
                remedy="add report to stages and run the same command again",
            )
        return self.path.absolute()

    def open(self) -> bool:
        """Show it in the browser; False where there is none.

        Raises:
            OutputError: it has not been made.
        """
        return webbrowser.open(self.page().as_uri())

    def __repr__(self) -> str:
        """Where it is."""
        return f"Report({str(self.path)!r}{'' if self.is_current else ', out of date'})"
