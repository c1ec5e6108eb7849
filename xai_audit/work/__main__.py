"""``python -m xai_audit.work RUN STAGE 3,4,5``: these parts of a planned stage, made here.

Any scheduler may run it, any number of times and anywhere: it takes no lock, deletes nothing and
keeps no record. The audit itself, run again, merges what is there.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from xai_audit.errors import AuditError, ConfigError
from xai_audit.pipeline import STAGES
from xai_audit.run.paths import RunPaths
from xai_audit.run.progress import progress_bar
from xai_audit.work.audit import Audit
from xai_audit.work.parts import read_current, read_spec
from xai_audit.work.runner import work_on

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of making the parts that ``arguments`` name."""
    parser = argparse.ArgumentParser(prog="python -m xai_audit.work", description=__doc__)
    parser.add_argument("run", type=Path, help="the output folder of an audit")
    parser.add_argument("stage", help=f"one of {', '.join(stage.name for stage in STAGES)}")
    parser.add_argument("parts", type=_numbers, help="numbers of its parts: 3,4,5")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        _work(RunPaths(given.run.absolute()), given.stage, given.parts)
    except AuditError as exc:
        sys.stderr.write(f"xai_audit: {exc}\n")
        return exc.exit_code
    return 0


def _work(paths: RunPaths, name: str, numbers: list[int]) -> None:
    stages = {stage.name: stage for stage in STAGES}
    if name not in stages:
        raise ConfigError("unknown stage", expected=f"one of {', '.join(stages)}", got=name)
    current = read_current(paths)
    audit = Audit(paths, read_spec(paths), current.__contains__, planned=True)
    with progress_bar(name, total=None) as progress:
        for _ in work_on(audit, stages[name], numbers, progress):
            pass


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
