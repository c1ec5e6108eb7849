"""``xai-audit open DIR``: the report of an audit in the browser; loads neither Hydra nor torch."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from xai_audit import load

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, and 2 where there is no report."""
    parser = argparse.ArgumentParser(
        prog="xai-audit open", description="The report of an audit in the browser."
    )
    meaning = "the output folder of an audit, or its address"
    parser.add_argument("folder", metavar="DIR", help=meaning)
    parser.add_argument("--print", action="store_true", help="only say where it is")
    given = parser.parse_args(arguments)
    report = load(given.folder).report
    sys.stdout.write(f"{report.page()}\n")
    if not report.is_current:
        sys.stderr.write(
            "xai_audit: this report is of an earlier command, with other settings or photos; add "
            "report to stages to have it made anew\n"
        )
    if not given.print and not report.open():
        sys.stderr.write("xai_audit: no browser was found; open the page above in one\n")
    return 0
