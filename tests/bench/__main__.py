"""Every measured number of this project, with its bound: ``python -m tests.bench [NAME ...]``.

Runs benches and prints a table, one line a number; exits with 1 where a bound is not met.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from tests.bench.child import ChildError
from tests.bench.photos import shared_folder
from tests.bench.rows import Row, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

log = logging.getLogger("tests.bench")

_SUMMARY = "Run benches and print a table; the exit code is 1 where a bound is not met."

# A module of this folder each, with run(shared, quick) -> rows, all or one by one; in this order.
BENCHES = (
    "startup", "memory", "agreement", "invariance", "robust", "flowers17", "throughput", "methods",
    "starved", "planted", "stamps", "coverage", "compare", "cure", "intervals", "frozen",
    "earlier", "house", "steps", "classes", "engines", "million", "explore", "scale", "black_box",
    "auto_masks", "crowded", "minute", "soak", "kills",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where every bound is met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=_SUMMARY)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--quick", action="store_true", help="few images: shows that it runs")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="planted: scenarios with TEXT in their name"
    )
    asked = parser.parse_args(arguments)
    if asked.only and asked.names != ["planted"]:
        parser.error("--only is of the bench planted: planted --only TEXT")
    if unknown := sorted({*asked.names} - {*BENCHES}):
        parser.error(f"no bench {', '.join(unknown)}; one of {', '.join(BENCHES)}")
    rows: list[Row] = []
    for name in asked.names or BENCHES:
        log.info("running %s", name)
        rows += measured(name, shared_folder(), quick=asked.quick, only=asked.only)
    sys.stdout.write(table(rows))
    return 0 if all(row.met for row in rows) else 1


def measured(name: str, shared: Path, *, quick: bool, only: str = "") -> list[Row]:
    """The rows of bench ``name``; one that says so where a command of it failed.

    Each is told at once: the table comes last, hours may lie between.
    """
    rows: list[Row] = []

    def told(row: Row) -> None:
        log.info("  %s: %s (%s: %s)", row.what, row.measured, row.status, row.bound)
        rows.append(row)

    try:
        run = import_module(f"tests.bench.{name}").run
        for row in run(shared, quick, only) if only else run(shared, quick):
            told(row)
    except ChildError as exc:
        told(Row(name, "runs", str(exc), met=False, command=f"python -m tests.bench {name}"))
    return rows


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    # So that temporary folders and children go when this is stopped.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    sys.exit(main())
