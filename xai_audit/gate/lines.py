"""The words for a gate: a line a rule, complete where it does not pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.gate.outcome import GROUPS, PASSED
from xai_audit.store.address import spelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xai_audit.gate.outcome import Outcome, Result
    from xai_audit.run.paths import RunPaths

DOC = "https://github.com/xai-audit/xai_audit#a-gate-for-ci"


def lines(paths: RunPaths, result: Result) -> Iterator[str]:
    """A line a rule, what does not pass first, then the accepted cells and what comes of it."""
    order = {group: n for n, group in enumerate(GROUPS)}
    passed_last = sorted(
        result.outcomes, key=lambda each: (each.group == PASSED, order[each.group])
    )
    yield from (line(paths, result, outcome) for outcome in passed_last)
    for each, state in result.accepted:
        yield f"accepted, {state}: {each.cell} | {each.reason} | by {each.by} | until {each.until}"
    yield conclusion(result)


def line(paths: RunPaths, result: Result, outcome: Outcome) -> str:
    """One rule; where it does not pass, with all that is needed to act on it."""
    if outcome.group == PASSED:
        return f"passed: {outcome.rule} | expected {outcome.expected} | found {outcome.found}"
    parts = [
        f"{outcome.group}: {outcome.rule}",
        f"level {result.level}{'' if result.blocks(outcome) else ', does not block'}",
        f"expected {outcome.expected}",
        f"found {outcome.found}",
        *([f"read: {outcome.reads}"] if outcome.measured else []),
        *([f"remedy: {outcome.remedy}"] if outcome.remedy else []),
        f"see {spelled((paths.root / place(paths, outcome)).absolute())}",
        f"doc {DOC}",
    ]
    return " | ".join(" ".join(part.split()) for part in parts)


def place(paths: RunPaths, outcome: Outcome) -> str:
    """Where to look, from the output folder: on the page, or in the table where there is none."""
    if not paths.index_html.is_file():
        return paths.evidence.name if paths.evidence.is_file() else paths.run_json.name
    return f"{paths.index_html.relative_to(paths.root).as_posix()}#{outcome.anchor}"


def conclusion(result: Result) -> str:
    """What comes of the gate, in a line."""
    counts = ", ".join(f"{count} {group}" for group, count in result.counts.items())
    if not result.blocking:
        return f"result: passed | {counts}"
    if result.failed:
        return f"result: failed | {counts}"
    return f"result: would have failed, but gate.level=warn blocks nothing | {counts}"
