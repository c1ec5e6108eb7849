"""``xai-audit status DIR``: how far the run in ``DIR`` is; loads neither Hydra nor torch."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from xai_audit.errors import spelled_out
from xai_audit.pipeline import STAGES
from xai_audit.run.home import paths_of
from xai_audit.work.status import DONE, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN = 10  # failures


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, and 2 where there is no audit."""
    parser = argparse.ArgumentParser(
        prog="xai-audit status", description="How far a run is: stages, rate, failures, workers."
    )
    told = "the output folder of an audit, or its address"
    parser.add_argument("folder", metavar="DIR", help=told)
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    given = parser.parse_args(arguments)
    found = Status(paths_of(given.folder), STAGES).read()
    text = json.dumps(found, indent=1) if given.json else "\n".join(map(spelled_out, _lines(found)))
    sys.stdout.write(f"{text}\n")
    return 0


def _lines(found: dict[str, Any]) -> list[str]:
    rows, failures, workers = found["stages"], found["failures"], found["workers"]
    done = sum(row["state"] == DONE for row in rows)
    how = "finished" if found["finished"] else f"{done} of {len(rows)} stages done"
    lines = [f"{found['folder']}: {how}", ""]
    lines += [_stage_line(row) for row in rows]
    again = [one for one in failures if one["made_since"]]
    if again:
        lines += ["", f"{_parts(len(again))} failed and {_were(len(again))} made again"]
    if left := [one for one in failures if not one["made_since"]]:
        lines += ["", f"{_parts(len(left))} failed and {_were(len(left))} missing:"]
        lines += [_failure_line(one) for one in left[:_SHOWN]]
        lines += ["  ..."] * (len(left) > _SHOWN)
    if not found["finished"]:
        lines += ["", "workers:" if workers else "no worker was seen in the last minutes"]
        lines += [_worker_line(one) for one in workers]
    return lines


def _parts(count: int) -> str:
    return f"{count} part{'s' * (count != 1)}"


def _were(count: int) -> str:
    return "were" if count > 1 else "was"


def _stage_line(row: dict[str, Any]) -> str:
    parts = "" if row["parts"] is None else f"{row['parts_done']:,} of {row['parts']:,} parts"
    size = f"{row['size_done']:,} of {row['size']:,}" if "size" in row else ""
    rate = f"{row['rate']:.1f}/s" if row.get("rate") else ""
    left = f"{duration(row['seconds_left'])} left" if row.get("seconds_left") else ""
    line = f"  {row['stage']:<13} {row['state']:<14} {parts:<22} {size:<24} {rate:<10} {left}"
    return line.rstrip()


def _failure_line(one: dict[str, Any]) -> str:
    times = "once" if one["attempts"] == 1 else f"{one['attempts']} times"
    return f"  {one['stage']} part {one['part']}, {times}, last by {_name(one)}: {one['error']}"


def _worker_line(one: dict[str, Any]) -> str:
    doing = "nothing in hand" if one["part"] is None else f"{one['stage']} part {one['part']}"
    seen = duration(one["seen_seconds_ago"])
    return f"  {_name({'by': one})}: {doing}, made {_parts(one['made'])}, seen {seen} ago"


def _name(one: dict[str, Any]) -> str:
    by = one["by"]
    return f"{by.get('host')} {by.get('pid')}"


def duration(seconds: float) -> str:
    """``m:ss``, or ``h:mm:ss`` from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
