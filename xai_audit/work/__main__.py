"""``python -m xai_audit.work RUN STAGE 3,4,5``: these parts of a planned stage, made here.

Those that are there already are left alone. ``--share i/n`` makes the i-th share of whatever stage
waits for parts, as ``shard=i/n`` does. ``--merge`` merges what is there and plans what comes next;
its exit code is 75 where parts have to be made first. Without all these it makes the parts that
lines of its input name, ``{"stage": ..., "parts": [...]}``, and says in lines of JSON that it is
ready, what is made, and what is wrong.

Any scheduler may run it, any number of times and anywhere: it takes no lock, deletes nothing and
keeps no record. The audit itself, run again, merges what is there.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from xai_audit.errors import AuditError, ConfigError, LostReaderError, WaitingError
from xai_audit.pipeline import STAGES
from xai_audit.run.home import paths_of, update
from xai_audit.run.log import handler
from xai_audit.run.progress import kill_children, progress_bar
from xai_audit.run.threads import spin_briefly
from xai_audit.store.home import is_current
from xai_audit.work.audit import Audit
from xai_audit.work.parts import missing, read_current, read_parts, read_spec
from xai_audit.work.runner import work_on
from xai_audit.work.shard import Share, work_share

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from xai_audit.run.paths import RunPaths
    from xai_audit.run.progress import Progress
    from xai_audit.work.stage import Part


# Of ``--merge``: whoever runs it makes no part itself.
_ELSEWHERE = {"_target_": "xai_audit.engines.local.LocalEngine", "workers": 0}


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of making the parts that ``arguments`` name."""
    parser = argparse.ArgumentParser(prog="python -m xai_audit.work", description=__doc__)
    parser.add_argument("run", help="the output folder of an audit, or its address")
    known = f"one of {', '.join(stage.name for stage in STAGES)}"
    parser.add_argument("stage", nargs="?", help=known)
    parser.add_argument("parts", nargs="?", type=_numbers, help="numbers of its parts: 3,4,5")
    parser.add_argument("--share", type=Share.parsed, metavar="i/n", help="of the parts")
    parser.add_argument("--merge", action="store_true", help="merge, and plan what comes next")
    parser.add_argument("--cores", type=_numbers, help="that it may use: 0,1")
    given = parser.parse_args(arguments)
    spin_briefly()
    if (given.stage is None) != (given.parts is None):
        parser.error("parts need a stage, and a stage parts")
    if given.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, given.cores)
    logging.basicConfig(level=logging.INFO, handlers=[handler()])
    try:
        if given.merge:
            return _merge(paths_of(given.run))
        if given.share is not None:
            work_share(opened(given.run), STAGES, given.share, stop=_go_on)
        elif given.stage is None:
            return _serve(given.run)
        else:
            with progress_bar(given.stage, total=None) as progress:
                for _ in made(opened(given.run), given.stage, given.parts, progress):
                    pass
    except AuditError as exc:
        sys.stderr.write(f"xai_audit: {exc}\n")
        return exc.exit_code
    return 0


def _merge(paths: RunPaths) -> int:
    """Run the planned audit with all parts left to others."""
    from xai_audit.pipeline import audit

    spec = read_spec(paths)
    settings = replace(spec.settings, engine=_ELSEWHERE, shard=None, output_dir=str(paths.root))
    try:
        audit(replace(spec, settings=settings))
    except WaitingError as exc:
        sys.stderr.write(f"xai_audit: {exc}\n")
        return exc.merge_code
    return 0


def _go_on() -> None:
    """A signal ends this process as it ends any other: what is made is there."""


def opened(folder: str | Path) -> Audit:
    """The planned audit in ``folder``; which stages are current is asked anew each time."""
    paths = paths_of(folder)
    spec = read_spec(paths)
    return Audit(paths, spec, lambda stage: stage in read_current(paths), planned=True)


def made(
    audit: Audit, name: str, numbers: Sequence[int], progress: Progress | None = None
) -> Iterator[Part]:
    """Each missing one of the parts ``numbers`` of stage ``name``, once it is committed.

    Raises:
        ConfigError: a stage or a number that the plan does not have.
    """
    if not is_current(audit.paths.plan_json):
        update(audit.paths)  # the driver has merged a stage
    stages = {stage.name: stage for stage in STAGES}
    if name not in stages:
        raise ConfigError("unknown stage", expected=f"one of {', '.join(stages)}", got=name)
    stage, planned = stages[name], read_parts(audit.paths, name)
    mine = [part for part in planned if part.number in {*numbers}]
    left = {part.number for part in missing(audit.paths, stage, mine)}
    done = {part.number for part in mine} - left
    todo = [number for number in numbers if number not in done]
    return work_on(audit, stage, todo, progress or _Silent())


def _serve(folder: str) -> int:
    """Make what the input asks for until it ends; the model is opened once."""
    audit = opened(folder)
    _say(ready=os.getpid())
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            there = dict.fromkeys(asked["parts"])
            for part in made(audit, asked["stage"], asked["parts"]):
                del there[part.number]
                _say(made=part.number)
            for number in there:
                _say(made=number)  # by a process that did not live to say so
        except LostReaderError:
            raise  # this process dies too: another one makes the part
        except AuditError as exc:
            _say(error=str(exc), code=exc.exit_code)
    return 0


def _say(**what: object) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


class _Silent:
    """Progress that the driver shows."""

    def __call__(self, images: int) -> None:
        pass

    def forwards(self, count: int) -> None:
        pass


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        kill_children()
