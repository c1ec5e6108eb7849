"""Kills, signals and a real memory limit: what ``tests/test_interruption.py`` shows, told."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.bench.child import ChildError, finished, shown
from tests.bench.rows import Row

FILE = "tests/test_interruption.py"
QUICK = "allocator"


def run(shared: Path, quick: bool) -> list[Row]:
    """A row a test."""
    del shared  # generated photos
    command = [sys.executable, "-m", "pytest", FILE, "-q", *(["-k", QUICK] if quick else [])]
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        junit = Path(folder) / "junit.xml"
        quiet = ["-p", "no:cacheprovider", f"--basetemp={folder}/pytest", f"--junitxml={junit}"]
        done = finished([*command, *quiet], check=False)
        if not junit.is_file():
            raise ChildError(f"{shown(command)}: exit {done.code}: {done.stderr or done.stdout}")
        cases = list(ET.parse(junit).iter("testcase"))
    if not cases:
        raise ChildError(f"{shown(command)}: no test ran")
    return [_row(case, shown(command)) for case in cases]


def _row(case: ET.Element, command: str) -> Row:
    # A case that passed has neither child; one that was skipped did not pass.
    problem = next(
        (kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None), None
    )
    seconds = float(case.get("time", "0"))
    return Row(
        what="interruption: " + str(case.get("name")).removeprefix("test_").replace("_", " "),
        bound="passes",
        measured=f"{problem or 'passed'} in {seconds:.0f} s",
        met=problem is None,
        command=command,
    )
