"""What of the rules in ``gate.*`` holds in a finished run."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from xai_audit.config.nodes import CONF_DIR, GateConfig
from xai_audit.errors import ConfigError
from xai_audit.gate.baseline import no_worse
from xai_audit.gate.cells import Cells, cell_of, confirmed, reliance, undetermined
from xai_audit.gate.outcome import EXPIRED, IN_FORCE, NOT_APPLICABLE, NOT_IN_RUN, Result
from xai_audit.gate.shares import least_accuracy, least_core_accuracy
from xai_audit.report.accepted import read_accepted, unknown_cells
from xai_audit.report.answers import read_findings
from xai_audit.report.facts import read_facts
from xai_audit.run.home import paths_of
from xai_audit.run.reader import Run
from xai_audit.schema import DISCOVERED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from xai_audit.gate.outcome import Outcome
    from xai_audit.report.accepted import Acceptance

# The keys that are rules; the others say how these are read.
_RULES = (
    *("max_confirmed", "max_reliance", "min_accuracy", "min_core_accuracy"),
    *("max_undetermined", "no_worse_than"),
)
# These do something without a rule: the report's page shows what is accepted.
_SHOWN = ("allow", "accepted")


def is_asked(settings: GateConfig) -> bool:
    """Whether there is a rule.

    Raises:
        ConfigError: there is none, and a key that says how rules are read.
    """
    if any(getattr(settings, name) not in (None, {}) for name in _RULES):
        return True
    default = GateConfig()
    for each in fields(settings):
        if each.name not in _SHOWN and getattr(settings, each.name) != getattr(default, each.name):
            raise no_rule(f"gate.{each.name}")
    return False


def no_rule(where: str) -> ConfigError:
    """The error of a gate without a rule."""
    expected = f"one of {', '.join(f'gate.{name}' for name in _RULES)}"
    return ConfigError(
        "no rule to check", where=where, expected=expected, remedy="gate.max_confirmed=0"
    )


def check_gate(settings: GateConfig, cues: Iterable[str]) -> None:
    """Raise ConfigError for what an audit could not be asked in its end.

    Args:
        settings: of the gate.
        cues: names of those that the audit examines.
    """
    read_accepted(settings.accepted, settings.allow)
    if not is_asked(settings):
        return
    from xai_audit.config.validation import unknown  # loads Hydra, which status does without

    known = {*cues, *(file.stem for file in (CONF_DIR / "cue").glob("*.yaml"))}
    for cue in settings.max_reliance:
        if cue not in known and not cue.startswith(DISCOVERED):
            raise unknown("cue", cue, sorted(known), shown=f"gate.max_reliance.{cue}")
    if settings.no_worse_than is not None:
        _baseline(settings.no_worse_than)


def judged(run: Run, settings: GateConfig, today: date | None = None) -> Result:
    """What became of each rule.

    Args:
        run: with its tables.
        settings: at least one rule among them.
        today: by which acceptances expire; None: this day, UTC.

    Raises:
        ConfigError: the accepted cells cannot be read.
        OutputError: a table, or the earlier run, cannot be read.
    """
    day = datetime.now(UTC).date() if today is None else today
    accepted = read_accepted(settings.accepted, settings.allow)
    every = read_findings(run) if run.has("evidence") else None
    allowed = {each.cell for each in accepted if each.holds(day)}
    cells = Cells(
        every,
        [f for f in every or () if cell_of(f) not in allowed],
        tuple(read_facts(run).classes.values()),
        run.record.get("limits") or {},
    )
    found = (_resolved(each, settings) for each in _outcomes(run, cells, settings))
    return Result(
        tuple(found), tuple(_states(accepted, cells, day)), settings.level,
        settings.max_cannot_tell, settings.max_not_applicable, day,
    )  # fmt: skip


def _outcomes(run: Run, cells: Cells, settings: GateConfig) -> Iterator[Outcome]:
    """An outcome a rule, in the order of the keys."""
    if settings.max_confirmed is not None:
        yield confirmed(cells, settings.max_confirmed, settings.max_undetermined)
    stop_below = (run.config.get("evidence") or {}).get("stop_below")
    for cue, most in settings.max_reliance.items():
        yield reliance(cells, cue, most, stop_below)
    if settings.min_accuracy is not None:
        yield least_accuracy(run, settings.min_accuracy)
    if settings.min_core_accuracy is not None:
        yield least_core_accuracy(run, settings.min_core_accuracy)
    if settings.max_undetermined is not None:
        yield undetermined(cells, settings.max_undetermined)
    if settings.no_worse_than is not None:
        yield no_worse(run, cells, _baseline(settings.no_worse_than))


def _resolved(outcome: Outcome, settings: GateConfig) -> Outcome:
    """What was not measured is violated, or not applicable where that is wanted."""
    if outcome.measured or settings.fail_if_not_run:
        return outcome
    found = f"{outcome.found} (gate.fail_if_not_run=false)"
    return replace(outcome, group=NOT_APPLICABLE, found=found)


def _states(
    accepted: Iterable[Acceptance], cells: Cells, day: date
) -> Iterator[tuple[Acceptance, str]]:
    """Each acceptance with what it does here."""
    known = [*accepted]
    missing = unknown_cells(known, [(f.class_name, f.cue) for f in cells.all or ()])
    for each in known:
        state = IN_FORCE if each.holds(day) else EXPIRED
        if each.cell in missing:
            near = missing[each.cell]
            state = NOT_IN_RUN + (f"; did you mean '{near}'?" if near else "")
        yield each, state


def _baseline(folder: str) -> Run:
    return Run(paths_of(folder).root)
