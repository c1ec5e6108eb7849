"""``report/summary.json``: the answer of a run for scripts, from its tables alone.

``summary.schema.json`` beside this file says what each value means; a value that is not known is
null. The version is raised when one is dropped or means something else; one more is no new version.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_audit.language import ENGLISH, spoken
from xai_audit.report.accuracy import accuracy, core_accuracy
from xai_audit.report.answers import (
    decisions,
    read_findings,
    undecided,
    worst_first,
)
from xai_audit.report.augmentation_section import augmentation_words
from xai_audit.report.catalogue import in_language_of
from xai_audit.report.facts import read_facts
from xai_audit.report.in_short import answer_sentence, finding_line, trusted_words
from xai_audit.report.lead import limited_to
from xai_audit.report.measured import listing, measured_at
from xai_audit.report.redact import redacted
from xai_audit.report.summary_page import summary_page
from xai_audit.run.files import read_json, rows_of, write_json, write_text
from xai_audit.run.verdicts import ALL_CUES, CONFIRMED, SUSPECTED
from xai_audit.schema import CARRIER_PULL, PULL, RELIANCE, VERDICTS
from xai_audit.work.folder import given_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xai_audit.report.accuracy import Share
    from xai_audit.report.answers import Finding
    from xai_audit.run.reader import Run

SUMMARY_SCHEMA = Path(__file__).with_name("summary.schema.json")
SUMMARY_VERSION = 1
_NAMED = 12  # carriers and victim classes of a finding; the tables have all


def write_summary(run: Run, gate: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Write ``summary.json`` and ``summary.md``, and return what the first holds.

    Both are made to be passed on: without home folders and tokens unless ``report.redact`` is off.

    Args:
        run: with its tables.
        gate: the answer of the gate, where it was asked.

    Raises:
        OutputError: a table is broken.
    """
    found = _redacted(run, summary_of(run) | {"gate": gate})
    write_json(run.paths.summary_json, found)
    with in_language_of(run):  # summary.json is for scripts, in English
        same = spoken() == ENGLISH
        shown = found if same else _redacted(run, summary_of(run) | {"gate": gate})
        write_text(run.paths.summary_md, summary_page(shown))
    return found


def _redacted(run: Run, found: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = found
    if (run.config.get("report") or {}).get("redact", True):
        kept = redacted(found)
    return kept


def summary_of(run: Run) -> dict[str, Any]:
    """The answer of ``run``, as far as it is computed, without the gate's."""
    facts, findings = read_facts(run), read_findings(run)
    told = decisions(findings, tuple(facts.classes.values()))
    graver = [f for verdict in (CONFIRMED, SUSPECTED) for f in _of(told, verdict)]
    counts = Counter(f.verdict for f in told)
    notes = (limited_to(run), trusted_words(run), augmentation_words(run))
    return {
        "schema": "xai_audit.summary",
        "schema_version": SUMMARY_VERSION,
        "answer": answer_sentence(run, told),
        "accuracy": _share(accuracy(run)),
        "core_accuracy": _share(core_accuracy(run)),
        "all_cues_at_once": _all_cues(run),
        "cells": len(findings),
        "masks": (run.record.get("masks") or {}).get("origin"),
        "verdicts": {verdict: counts[verdict] for verdict in VERDICTS},
        "findings": _findings(run, graver),
        "open": [asdict(each) | {"names": [*each.names]} for each in undecided(findings)],
        "below_chance": [*facts.below_chance],
        "warnings": [*facts.warnings],
        "notes": [text for text in notes if text],
        "identity": _identity(run),
        "report": run.paths.index_html.name,
    }


def _of(findings: Sequence[Finding], verdict: str) -> list[Finding]:
    return worst_first([finding for finding in findings if finding.verdict == verdict])


def _share(known: Share | None) -> dict[str, Any] | None:
    if known is None:
        return None
    name, value = known.lowest or (None, None)
    lowest = {"class_name": name, "value": number(value)} if known.lowest else None
    ends = {key: number(getattr(known, key)) for key in ("value", "low", "high")}
    return ends | {"n": known.n, "lowest": lowest}


def _all_cues(run: Run) -> dict[str, Any] | None:
    rows = rows_of(run.summary) if run.has("summary") else []
    found = next((row for row in rows if row["cue"] == ALL_CUES), None)
    if found is None:
        return None
    names = ("accuracy_with", "accuracy_without", "gap", "gap_low", "gap_high")
    return {name: number(found[name]) for name in names} | {"n": _whole(found["n_images"])}


def _findings(run: Run, findings: Sequence[Finding]) -> list[dict[str, Any]]:
    victims = _by_cell(run, "pulls", "changed")
    carriers = _by_cell(run, "carriers", "effect")
    return [
        _finding(f, victims.get((f.class_name, f.cue), []), carriers.get((f.class_name, f.cue), []))
        for f in findings
    ]


def _by_cell(run: Run, table: str, by: str) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """(class, cue) -> its rows of ``table``, the largest ``by`` first."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows_of(getattr(run, table)) if run.has(table) else ():
        found.setdefault((row["class_name"], row["cue"]), []).append(row)
    for rows in found.values():
        rows.sort(key=lambda row: -math.inf if row[by] is None else row[by], reverse=True)
    return found


def _finding(
    finding: Finding, victims: Sequence[dict[str, Any]], carriers: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    row = finding.row
    carried = {
        "n": _whole(row["n_carriers"]),
        "screened": _whole(row["n_screened"]),
        "share": estimate(row, "carrier_share"),
        "pull": estimate(row, CARRIER_PULL),
        "photos": [each["image_id"] for each in carriers[:_NAMED]],
    }
    return {
        "cell": f"{finding.class_name}/{finding.cue}",
        "class_name": finding.class_name,
        "classes": [*finding.names],
        "cue": finding.cue,
        "verdict": finding.verdict,
        "text": finding_line(finding),
        "because": finding.because,
        "question": finding.question,
        "effect": number(finding.effect),
        "low": number(finding.low),
        "high": number(finding.high),
        RELIANCE: estimate(row, RELIANCE),
        PULL: estimate(row, PULL),
        "may_be_object": finding.may_be_object,
        "explained_by": row["explained_by"],
        "carriers": carried if row["n_screened"] else None,
        "victims": [
            {"class_name": each["victim_class"], "n": _whole(each["n_images"])}
            | {"changed": estimate(each, "changed")}
            for each in victims[:_NAMED]
        ],
    }


def estimate(row: Mapping[str, Any], name: str) -> dict[str, float | None] | None:
    """``value``, ``low``, ``high`` and ``q`` of an estimate in a row; None: not measured."""
    if row.get(name) is None:
        return None
    ends = {"value": "", "low": "_low", "high": "_high", "q": "_q"}
    return {key: number(row.get(f"{name}{end}")) for key, end in ends.items()}


def number(value: float | None) -> float | None:
    """``value`` to six digits, of which the tables' float32 has no more; None where undefined."""
    return None if value is None or math.isnan(value) else float(f"{value:.6g}")


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _identity(run: Run) -> dict[str, Any]:
    """What was audited, with what, when and how."""
    record = run.record
    model, dataset = record.get("model"), run.config.get("dataset")
    root = record.get("dataset_root")
    noted = read_json(run.paths.model_json)
    facts = noted.get("facts", {}) if isinstance(noted, dict) else {}
    return {
        "dataset": {
            "name": (given_name(dataset) if isinstance(dataset, dict) else None)
            or (Path(root).name if root else None),
            "photos": (record.get("counts") or {}).get("ok"),
            "classes": len(record.get("classes") or {}),
            "listing_sha256": listing(run)[1] if run.has("manifest") else None,
        },
        "model": {
            "name": given_name(model) if isinstance(model, dict) else model,
            "weights_sha256": facts.get("weights"),
            "outputs": facts.get("num_outputs"),
            "target_layer": facts.get("target_layer") or None,
        },
        "methods": [*((record.get("identity") or {}).get("methods") or ())],
        "command": record.get("arguments"),
        "seed": record.get("seed"),
        "date": measured_at(run),
        "versions": record.get("versions") or {},
        "device": record.get("device"),
        "limits": record.get("limits") or {},
    }
