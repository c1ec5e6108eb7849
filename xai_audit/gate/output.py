"""What a gate leaves behind: ``report/junit.xml``, and its part of ``summary.json`` and ``.md``."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from xai_audit.errors import GateError
from xai_audit.gate.judge import judged
from xai_audit.gate.junit import junit
from xai_audit.gate.lines import DOC, lines, place
from xai_audit.report.summary import number, write_summary
from xai_audit.run.files import write_text
from xai_audit.run.reader import Run
from xai_audit.store.address import spelled

if TYPE_CHECKING:
    from xai_audit.config.nodes import GateConfig
    from xai_audit.gate.outcome import Outcome, Result
    from xai_audit.run.paths import RunPaths

log = logging.getLogger(__name__)

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def judge_and_log(paths: RunPaths, settings: GateConfig) -> GateError | None:
    """What an audit says of its gate in the end, logged and written: the error where it failed.

    Raises:
        ConfigError, OutputError: as those of :func:`ask`.
    """
    run = Run(paths.root)
    result = ask(run, settings)
    for line in lines(paths, result):
        log.info("gate: %s", line)
    return failure(run, result)


def ask(run: Run, settings: GateConfig) -> Result:
    """What became of the rules of ``settings`` in ``run``, once it is written.

    Raises:
        ConfigError: the accepted cells cannot be read.
        OutputError: a table cannot be read, or the report's folder not be written.
    """
    result = judged(run, settings)
    write_summary(run, as_json(run.paths, result))
    write_text(run.paths.junit_xml, _HEAD + junit(run.paths, result))
    return result


def failure(run: Run, result: Result) -> GateError | None:
    """The error that ends a command whose gate failed; None where it did not."""
    if not result.failed:
        return None
    page = spelled(run.paths.junit_xml.absolute())
    return GateError(run.root, "; ".join(result.why), f"see {page}")


def as_json(paths: RunPaths, result: Result) -> dict[str, Any]:
    """The result as ``summary.schema.json`` describes it."""
    return {
        "failed": result.failed,
        "level": result.level,
        "date": result.today.isoformat(),
        "counts": result.counts,
        "why": [*result.why],
        "rules": [_rule(paths, result, each) for each in result.outcomes],
        "accepted": [
            asdict(each) | {"until": each.until.isoformat(), "state": state}
            for each, state in result.accepted
        ],
    }


def _rule(paths: RunPaths, result: Result, outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.rule,
        "group": outcome.group,
        "blocks": result.blocks(outcome),
        "measured": outcome.measured,
        "expected": outcome.expected,
        "found": outcome.found,
        "value": number(outcome.value),
        "low": number(outcome.low),
        "high": number(outcome.high),
        "reads": outcome.reads,
        "remedy": outcome.remedy,
        "cells": [*outcome.cells],
        "where": place(paths, outcome),
        "doc": DOC,
    }
