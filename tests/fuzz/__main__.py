"""``python -m tests.fuzz TARGET... --seconds N --seed S``: hostile inputs for a bounded time.

Each input is made from a number alone, which a failure prints: ``--seed NUMBER --count 1`` makes it
again. Inputs that failed are cases of ``tests/hostile`` or tests beside the code that read them.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.fuzz.targets import TARGETS, attempt

_SLOW = 5.0  # seconds of one input


def main() -> int:
    """The exit code: 1 where an input raised what no user should see."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    parser.add_argument("--count", type=int, default=None, help="inputs of each target at most")
    parser.add_argument("--seed", type=int, default=0, help="of the first input")
    given = parser.parse_args()
    if unknown := {*given.targets} - {*TARGETS}:
        parser.error(
            f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}"
        )
    logging.disable(logging.CRITICAL)
    faulthandler.enable()
    failed = 0
    for name in given.targets or TARGETS:
        failed += _fuzz(name, given.seconds, given.count, given.seed)
    return int(failed > 0)


def _fuzz(name: str, seconds: float, count: int | None, first: int) -> int:
    """The number of failures of one target."""
    end, seed, failures = time.monotonic() + seconds, first, {}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        os.environ["XDG_CACHE_HOME"] = scratch  # of the indexes of tars
        while time.monotonic() < end and (count is None or seed - first < count):
            started = time.process_time()  # others may hold the cores
            try:
                attempt(TARGETS[name], seed, Path(scratch))
            except Exception as exc:  # noqa: BLE001 - that is what is looked for
                last = traceback.extract_tb(exc.__traceback__)[-1]
                failures.setdefault((type(exc).__name__, last.filename, last.lineno), (seed, exc))
            if (took := time.process_time() - started) > _SLOW:
                failures.setdefault(("slow",), (seed, TimeoutError(f"{took:.1f} s")))
            seed += 1
    for number, exc in failures.values():
        sys.stderr.write(f"{name}: --seed {number} --count 1\n")
        traceback.print_exception(exc)
    sys.stdout.write(f"{name}: {seed - first} inputs, {len(failures)} kinds of failure\n")
    return len(failures)


if __name__ == "__main__":
    sys.exit(main())
