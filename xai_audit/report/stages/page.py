"""page: tables -> ``report/index.html`` and what goes with it; no photo is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_audit.language import speaking
from xai_audit.report.accepted import read_accepted
from xai_audit.report.stages.gallery import language_mark, settings_of
from xai_audit.run.record import fingerprint
from xai_audit.store.home import withdraw
from xai_audit.work.parts import parts_mark
from xai_audit.work.stage import Part, Plan, Stage

if TYPE_CHECKING:
    from xai_audit.report.accepted import Acceptance
    from xai_audit.work.audit import Audit

_VERSION = 4


def plan(audit: Audit) -> Plan:
    """No parts: the page is one."""
    paths, accepted = audit.paths, [str(each) for each in _accepted(audit)]
    alone = audit.settings.report.self_contained
    shown = vars(settings_of(audit)), parts_mark(paths, "gallery"), accepted, alone
    mark = fingerprint(*shown, *language_mark(audit))
    outputs = (paths.index_html, paths.summary_json, paths.summary_md)
    return Plan(mark, outputs=(*outputs, paths.self_contained_html) if alone else outputs)


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Write the page, then delete the pictures that it does not show."""
    from xai_audit.report.catalogue import language
    from xai_audit.report.page import write_page
    from xai_audit.report.self_contained import write_self_contained
    from xai_audit.report.summary import write_summary
    from xai_audit.run.reader import Run

    del parts
    run = Run(audit.paths.root)
    with speaking(language(audit.settings.report.language)):
        write_page(run, settings_of(audit), accepted=_accepted(audit))
        if audit.settings.report.self_contained:
            write_self_contained(audit.paths)
        else:
            withdraw(audit.paths.self_contained_html)
    write_summary(run)
    withdraw(audit.paths.junit_xml)  # of a gate that was asked of other tables
    return {}


def _accepted(audit: Audit) -> tuple[Acceptance, ...]:
    """The cells that somebody has accepted, which the page shows."""
    gate = audit.settings.gate
    return read_accepted(gate.accepted, gate.allow)


PAGE = Stage(
    "page", "report", _VERSION, "report", plan, merge, needs=("gallery", "explore"),
    reads=("trust", "discover", "verdict", "agreement", "boundary", "adversarial", "augmentation"),
)  # fmt: skip
