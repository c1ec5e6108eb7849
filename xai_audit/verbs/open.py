"""``xai-audit open DIR``: the report of an audit in the browser; loads neither Hydra nor torch."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from typing import TYPE_CHECKING

from xai_audit.errors import OutputError
from xai_audit.run.home import paths_of
from xai_audit.run.reader import Run

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, and 2 where there is no report."""
    parser = argparse.ArgumentParser(
        prog="xai-audit open", description="The report of an audit in the browser."
    )
    told = "the output folder of an audit, or its address"
    parser.add_argument("folder", metavar="DIR", help=told)
    parser.add_argument("--print", action="store_true", help="only say where it is")
    given = parser.parse_args(arguments)
    page = Run(paths_of(given.folder).root).paths.index_html
    if not page.is_file():
        raise OutputError(
            "this audit has no report",
            where=page,
            remedy="add report to stages and run the same command again",
        )
    sys.stdout.write(f"{page}\n")
    if not given.print and not webbrowser.open(page.as_uri()):
        sys.stderr.write("xai_audit: no browser was found; open the page above in one\n")
    return 0
