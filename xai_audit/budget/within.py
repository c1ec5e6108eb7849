"""``budget=60s`` and ``first_look=60s``: as many photos and transplants as the time allows.

Several audits in one folder, each of which takes over what the ones before have measured: a few
photos, twice, which show what another one takes; a first look at more of them, with verdicts and so
many transplants as show what one takes; then as many more as the rest of the time pays for, the
most telling cells first, and the report. The same command again goes on from there, and one without
a budget to the end, which one with a first look does by itself.

Why not a clock that stops the stages where they are: half of a stage has no table, and where it
stopped would be chance. So many photos and so many forwards give the same answer on any machine.
"""

from __future__ import annotations

import logging
import math
import time
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from xai_audit.budget.limits import NEEDED, can_look, check_budget, limited
from xai_audit.budget.measured import before, is_open, paced
from xai_audit.budget.pace import Pace, Reach, first, further, more, seconds_of
from xai_audit.config.build import build
from xai_audit.config.nodes import GateConfig
from xai_audit.errors import (
    AuditError,
    GateError,
    OutputError,
    StoppedError,
    TooManyFailuresError,
)
from xai_audit.pipeline import audit, check
from xai_audit.run.files import read_json, write_json
from xai_audit.store.settings import configure
from xai_audit.work.audit import Audit
from xai_audit.work.folder import folder_of

if TYPE_CHECKING:
    from pathlib import Path

    from xai_audit.config.spec import RunSpec
    from xai_audit.types import DatasetSource

log = logging.getLogger(__name__)

# Photos that are tried: of the first few more is spent on what is done once.
_TRIED = (16, 48)
_TRYING = NEEDED[:-1]
# What a first look leaves to the last audit.
_LAST = ("agreement", "boundary", "flag", "report")
# A first look is worth its time from so many photos on, and where the audit takes so many times as
# long: of its transplants those are of no use to the audit whose donors are other ones there.
_MANY, _LONG = 200, 3
_OF_A_CELL = 40  # forwards that a class and cue take, about, in the planted suite
_BUDGET = "budget"  # the key, and what run.json has of it


def audited(spec: RunSpec) -> Path:
    """The output folder of the audit: within ``budget`` where it has one, else after a first look.

    Raises:
        ConfigError: a budget of more than this machine's time.
        AuditError: as the audit would.
    """
    own = spec.settings
    if own.budget is not None and {*NEEDED} & {*own.stages} - {"index"}:
        check_budget(spec)
        return _Within(spec).audited()
    if own.budget is None and own.first_look is not None and can_look(spec):
        check(spec)  # of the whole, before a minute is spent
        looking = replace(own, budget=own.first_look, gate=GateConfig())  # which judges the whole
        config = spec.config | {_BUDGET: own.first_look}
        _Within(replace(spec, settings=looking, config=config, is_look=True)).look()
    return audit(spec)


class _Within:
    """The audits that a budget pays for; its time begins with it."""

    def __init__(self, spec: RunSpec) -> None:
        self._end = time.monotonic() + seconds_of(str(spec.settings.budget))
        self._spec = spec
        configure(**vars(spec.settings.store))
        self._dataset: DatasetSource = build("dataset", spec.settings.dataset)
        self._paths = folder_of(spec, self._dataset.name)
        workers = spec.settings.engine.get("workers")
        self._workers = workers if isinstance(workers, int) and workers else 1

    def audited(self) -> Path:
        if self._is_finished:
            log.info("budget: here is an audit without one; what changed since is not limited")
            own = replace(self._spec.settings, budget=None)
            return audit(
                replace(self._spec, settings=own, config=self._spec.config | {_BUDGET: None})
            )
        if (noted := self._record.get(_BUDGET)) is None:
            self._looked(self._tried())
        else:
            reach, pace = Reach(**noted["reach"]), Pace(**noted["pace"])
            unmeasured = is_open(self._paths)
            onward = further(pace, reach, self._left, self._photos, is_open=unmeasured)
            if reach.photos == self._photos and not unmeasured:
                log.info("budget: every pair is measured; the rest is left to no budget")
            self._audited(onward, pace, last=True)
        return self._paths.root

    def look(self) -> None:
        """A report within the time, where nothing is there yet and the audit takes far longer."""
        if self._record or not self._may_be_many:
            return
        log.info("first look: a few photos tell how long the audit takes")
        try:
            pace, seconds = self._tried(), seconds_of(str(self._spec.settings.budget))
            if self._photos < _MANY or self._whole(pace) < _LONG * seconds:
                return
            self._looked(pace)
        except (OutputError, StoppedError):
            raise
        except AuditError as exc:  # of so few photos; of the whole the audit says so
            log.info("first look: none, for %s", exc)
            return
        log.info("first look: the report above; the audit goes on")

    @property
    def _may_be_many(self) -> bool:
        """Whether the files can be enough for a first look; unknown before they are rendered."""
        if (self._spec.settings.limit or _MANY) < _MANY:
            return False
        try:
            return sum(1 for _ in islice(self._dataset.entries(), _MANY)) == _MANY
        except Exception:  # noqa: BLE001 - a user's; the audit tells, in its place among other checks
            return True

    def _whole(self, pace: Pace) -> float:
        """Seconds that the verdicts of every photo take, about."""
        cells = len(self._record["classes"]) * len(self._spec.cues)
        limit = self._spec.settings.evidence.max_forwards
        forwards = min(_OF_A_CELL * cells, limit or math.inf)
        return self._photos * (pace.photo + pace.survey) + forwards * pace.photo

    def _looked(self, pace: Pace) -> None:
        """Audit so many photos as the time pays for, once for a pace of forwards, then to its end.

        Args:
            pace: of the photos that were tried.
        """
        tried, classes = self._record["counts"]["ok"], len(self._record["classes"])
        reach = first(pace, self._left, self._photos, classes, least=tried)
        pace = self._audited(reach, pace, last=False)
        self._audited(more(pace, reach, self._left), pace, last=True)

    @property
    def _is_finished(self) -> bool:
        """Whether the folder has all that is wanted, of a command without a budget."""
        record, own = self._record, self._spec.settings
        then, finished = record.get("config", {}), {*record.get("fingerprints", {})}
        if then.get(_BUDGET) is not None or not {*own.stages} <= finished:
            return False
        wanted = (own.limit, own.evidence.max_forwards)
        return (then["limit"], then["evidence"]["max_forwards"]) == wanted

    @property
    def _left(self) -> float:
        return self._end - time.monotonic()

    @property
    def _record(self) -> dict[str, Any]:
        record = read_json(self._paths.run_json)
        return record if isinstance(record, dict) else {}

    @property
    def _photos(self) -> int:
        """How many there are, of those that the user limits it to."""
        counts = self._record["counts"]
        usable: int = counts["ok"] + counts["left_out"]
        return min(usable, self._spec.settings.limit or usable)

    def _tried(self) -> Pace:
        """What another photo takes after the first few."""
        rate = before(self._paths).rate  # where heatmaps are there, nothing new is explained
        pace = Pace(photo=1 / rate if rate else 0.0, survey=0.0)
        for count in _TRIED:
            spec = limited(self._spec, Reach(count, 1), leaving=(*_LAST, "discover", "evidence"))
            was = before(self._paths)
            with suppress(TooManyFailuresError):
                audit(replace(spec, log_answer=False))
            pace = paced(self._paths, was, pace, workers=self._workers)
        return replace(pace, survey=self._surveyed(spec))

    def _surveyed(self, spec: RunSpec) -> float:
        """Seconds that the survey of a photo takes, with descriptors of every cue."""
        from xai_audit.evidence.read import surveyed
        from xai_audit.evidence.source import cues_of, source_of

        job = Audit(self._paths, spec, lambda stage: stage in _TRYING, planned=True)
        ids = job.usable().column("image_id").to_pylist()
        start, grid = time.perf_counter(), job.facts.grid
        for _ in surveyed(source_of(job), cues_of(job), [ids], grid=grid, progress=lambda _: None):
            pass
        return (time.perf_counter() - start) / max(len(ids), 1)

    def _audited(self, reach: Reach, pace: Pace, *, last: bool) -> Pace:
        """Audit as far as ``reach`` goes, and note it; what it took."""
        log.info(
            "%s %s: %s of %s photos, and %s forwards of transplants at most, the most telling "
            "first",
            "first look" if self._spec.is_look else "budget",
            self._spec.settings.budget,
            *(f"{count:,}" for count in (reach.photos, self._photos, reach.forwards)),
        )
        was = before(self._paths)
        spec = limited(self._spec, reach, leaving=() if last else _LAST)
        problem = _problem(spec if last else replace(spec, log_answer=False))
        closing = pace.closing
        pace = paced(self._paths, was, pace, workers=self._workers)
        if not last:  # without its report
            pace = replace(pace, closing=closing)
        if not self._spec.is_look:  # from which another command with a budget goes on
            note = {_BUDGET: {"reach": asdict(reach), "pace": asdict(pace)}}
            write_json(self._paths.run_json, self._record | note)
        if last and problem is not None:
            raise problem
        return pace


def _problem(spec: RunSpec) -> AuditError | None:
    """Run the audit; what is wrong with a run that is complete all the same."""
    try:
        audit(spec)
    except (GateError, TooManyFailuresError) as exc:
        return exc
    return None
