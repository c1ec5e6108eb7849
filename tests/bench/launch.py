"""Runs ``argv[2:]`` and writes its exit code, seconds and peak memory to ``argv[1]`` as JSON.

A process of its own, and a small one: Linux counts what the parent holds when a child is made into
the child's peak, so a parent that has torch loaded would measure itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    start = time.perf_counter()
    process = subprocess.Popen(sys.argv[2:])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    # ru_maxrss is the largest of the process and of the descendants that were waited for; KiB.
    noted = {
        "code": process.returncode,
        "seconds": time.perf_counter() - start,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
    }
    Path(sys.argv[1]).write_text(json.dumps(noted), encoding="ascii")


if __name__ == "__main__":
    main()
