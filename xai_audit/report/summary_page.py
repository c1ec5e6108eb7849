"""``report/summary.md``: the answer to be pasted into a model card or a pull request."""

from __future__ import annotations

import html
import re
import shlex
from typing import TYPE_CHECKING, Any

from xai_audit.report.words import two
from xai_audit.run.verdicts import marked
from xai_audit.schema import MADE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SHOWN = 20  # findings, and cues with what is undetermined of them
# What GitHub's and GitLab's Markdown take as more than a letter.
_SPECIAL = re.compile(r"([\\`*_\[\]|#~$])")


def summary_page(summary: Mapping[str, Any]) -> str:
    """The text, in Markdown; every name of the user's is escaped.

    Args:
        summary: what ``summary.json`` holds.
    """
    parts = (_head, _table, _confirmed, _open, _gate, _caveats, _identity)
    blocks = ("\n".join(lines) for part in parts if (lines := [*part(summary)]))
    return "\n\n".join(blocks) + "\n"


def escaped(text: object) -> str:
    """``text`` in one line as Markdown shows it, letter by letter."""
    plain = html.escape(" ".join(str(text).split()), quote=False)
    return _SPECIAL.sub(r"\\\1", plain).replace("@", "@<!-- -->")  # which mentions nobody


def _head(summary: Mapping[str, Any]) -> Iterator[str]:
    yield "## Right for the right reasons?"
    yield ""
    for text in summary["below_chance"][:1]:
        yield f"**Read this first: {escaped(text)}**\n"
    yield f"**{escaped(summary['answer'])}**"


def _table(summary: Mapping[str, Any]) -> Iterator[str]:
    yield "| | |"
    yield "|---|---|"
    names = {"accuracy": "Accuracy on the photos as they are"}
    made = summary["masks"] == MADE
    names["core_accuracy"] = marked("Accuracy by the object alone", made)
    for key, name in names.items():
        yield f"| {name} | {_share(summary[key])} |"
    counts = [f"{n:,} {verdict}" for verdict, n in summary["verdicts"].items() if n]
    yield f"| Pairs of class and cue | {', '.join(counts) or 'none examined'} |"


def _share(known: Mapping[str, Any] | None) -> str:
    if known is None:
        return "not measured"
    interval = f"95 % interval {known['low']:.1%} to {known['high']:.1%}"
    low, least = known["lowest"], ""
    if low and low["value"] < known["value"]:
        least = f"; lowest: {escaped(low['class_name'])}, {low['value']:.1%}"
    return f"{known['value']:.1%} ({interval}, {known['n']:,} photos{least})"


def _confirmed(summary: Mapping[str, Any]) -> Iterator[str]:
    found = [each for each in summary["findings"] if each["verdict"] == "confirmed"]
    if not found:
        return
    yield f"### Confirmed: {len(found)}"
    yield ""
    for each in found[:_SHOWN]:
        yield f"- **{escaped(each['text'])}.** {escaped(each['because'])}{_victims(each)}"
    if len(found) > _SHOWN:
        yield f"- and {len(found) - _SHOWN} more"


def _victims(finding: Mapping[str, Any]) -> str:
    """Whose photos become the class, where that was found."""
    shares = [
        f"{escaped(each['class_name'])} ({two(each['changed']['value'])})"
        for each in finding["victims"][:3]
        if each["changed"] and each["changed"]["value"]
    ]
    return f" Share of photos that become it: {', '.join(shares)}." if shares else ""


def _open(summary: Mapping[str, Any]) -> Iterator[str]:
    found = summary["open"]
    if not found:
        return
    count = sum(each["count"] for each in found)
    yield f"### Undetermined: {count:,} of {summary['cells']:,} pairs of class and cue"
    yield ""
    for each in found[:_SHOWN]:
        names, more = ", ".join(map(escaped, each["names"])), each["count"] - len(each["names"])
        also = f" and {more} more" if more else ""
        yield f"- {escaped(each['cue'])} of {names}{also}. {escaped(each['because'])}"
    if len(found) > _SHOWN:
        yield f"- and {len(found) - _SHOWN} cues more"


def _gate(summary: Mapping[str, Any]) -> Iterator[str]:
    gate = summary["gate"]
    if gate is None:
        return
    warned = "would have failed (gate.level=warn)" if gate["why"] else "passed"
    yield f"### Gate: {'failed' if gate['failed'] else warned}"
    yield ""
    yield "| rule | result | expected | found |"
    yield "|---|---|---|---|"
    for rule in gate["rules"]:
        cells = (rule["id"], rule["group"], rule["expected"], rule["found"])
        yield f"| {' | '.join(map(escaped, cells))} |"
    if gate["accepted"]:
        yield ""
        yield "| accepted | reason | by | until | |"
        yield "|---|---|---|---|---|"
        for each in gate["accepted"]:
            said = [each[key] for key in ("cell", "reason", "by", "until", "state")]
            yield f"| {' | '.join(map(escaped, said))} |"


def _caveats(summary: Mapping[str, Any]) -> Iterator[str]:
    lines = [*summary["below_chance"][1:], *summary["warnings"], *summary["notes"]]
    if lines:
        yield "### To be read with it"
        yield ""
    yield from (f"- {escaped(line)}" for line in lines)


def _identity(summary: Mapping[str, Any]) -> Iterator[str]:
    known = summary["identity"]
    model, dataset = known["model"], known["dataset"]
    yield "<details><summary>What was audited, and how</summary>"
    yield ""
    rows = {
        "model": model["name"],
        "weights (SHA-256)": model["weights_sha256"],
        "data": dataset["name"],
        "photos, classes": f"{dataset['photos']}, {dataset['classes']}",
        "list of photos (SHA-256)": dataset["listing_sha256"],
        "methods": ", ".join(known["methods"]),
        "date": known["date"],
        "seed": known["seed"],
        "versions": ", ".join(f"{name} {text}" for name, text in known["versions"].items()),
        "command": None
        if known["command"] is None
        else shlex.join(["xai-audit", *known["command"]]),
    }
    yield from (f"- {name}: {escaped(value)}" for name, value in rows.items() if value is not None)
    yield ""
    yield "</details>"
