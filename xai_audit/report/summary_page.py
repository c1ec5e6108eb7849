"""``report/summary.md``: the answer to be pasted into a model card or a pull request."""

from __future__ import annotations

import html
import re
import shlex
from typing import TYPE_CHECKING, Any

from xai_audit.errors import spelled_out
from xai_audit.language import said, say, spoken
from xai_audit.report.retold import retold
from xai_audit.report.words import two
from xai_audit.run.verdicts import marked
from xai_audit.schema import MADE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SHOWN = 20  # findings, and cues with what is undetermined of them
# What GitHub's and GitLab's Markdown take as more than a letter.
_ENDS = {"share": "value", "low": "low", "high": "high"}
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
    plain = html.escape(spelled_out(" ".join(str(text).split())), quote=False)
    return _SPECIAL.sub(r"\\\1", plain).replace("@", "@<!-- -->")  # which mentions nobody


def _head(summary: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {say('Right for the right reasons?')}"
    yield ""
    for text in summary["below_chance"][:1]:
        yield f"**{say('Read this first: {text}', text=escaped(retold(text)))}**\n"
    yield f"**{escaped(summary['answer'])}**"


def _table(summary: Mapping[str, Any]) -> Iterator[str]:
    yield "| | |"
    yield "|---|---|"
    names = {"accuracy": say("Accuracy on the photos as they are")}
    made = summary["masks"] == MADE
    names["core_accuracy"] = marked(say("Accuracy by the object alone"), made)
    for key, name in names.items():
        yield f"| {name} | {_share(summary[key])} |"
    counts = [f"{n:,} {said(verdict)}" for verdict, n in summary["verdicts"].items() if n]
    found = say(", ").join(counts) or say("none examined")
    yield f"| {say('Pairs of class and cue')} | {found} |"


def _share(known: Mapping[str, Any] | None) -> str:
    if known is None:
        return say("not measured")
    lowest, least = known["lowest"], ""
    if lowest and lowest["value"] < known["value"]:
        name, share = escaped(lowest["class_name"]), f"{lowest['value']:.1%}"
        least = say("; lowest: {name}, {share}", name=name, share=share)
    return say(
        "{share} (95 % interval {low} to {high}, {number} photos{lowest})",
        **{end: f"{known[key]:.1%}" for end, key in _ENDS.items()},
        number=f"{known['n']:,}",
        lowest=least,
    )


def _confirmed(summary: Mapping[str, Any]) -> Iterator[str]:
    found = [each for each in summary["findings"] if each["verdict"] == "confirmed"]
    if not found:
        return
    yield f"### {say('Confirmed: {number}', number=len(found))}"
    yield ""
    for each in found[:_SHOWN]:
        because = escaped(retold(each["because"]))
        yield f"- **{escaped(each['text'])}{say('.')}** {because}{_victims(each)}"
    if len(found) > _SHOWN:
        yield f"- {say('and {number} more', number=len(found) - _SHOWN)}"


def _victims(finding: Mapping[str, Any]) -> str:
    """Whose photos become the class, where that was found."""
    shares = [
        f"{escaped(each['class_name'])} ({two(each['changed']['value'])})"
        for each in finding["victims"][:3]
        if each["changed"] and each["changed"]["value"]
    ]
    if not shares:
        return ""
    names = say(", ").join(shares)
    return spoken().gap + say("Share of photos that become it: {names}.", names=names)


def _open(summary: Mapping[str, Any]) -> Iterator[str]:
    found = summary["open"]
    if not found:
        return
    count = sum(each["count"] for each in found)
    title = say(
        "Undetermined: {number} of {total} pairs of class and cue",
        number=f"{count:,}",
        total=f"{summary['cells']:,}",
    )
    yield f"### {title}"
    yield ""
    for each in found[:_SHOWN]:
        names, more = (
            say(", ").join(map(escaped, each["names"])),
            each["count"] - len(each["names"]),
        )
        names += say(" and {number} more", number=more) if more else ""
        because = escaped(retold(each["because"]))
        cell = say("{cue} of {names}.", cue=escaped(each["cue"]), names=names)
        yield f"- {cell}{spoken().gap}{because}"
    if len(found) > _SHOWN:
        yield f"- {say('and {number} cues more', number=len(found) - _SHOWN)}"


def _gate(summary: Mapping[str, Any]) -> Iterator[str]:
    gate = summary["gate"]
    if gate is None:
        return
    warned = (
        say("Gate: would have failed (gate.level=warn)") if gate["why"] else say("Gate: passed")
    )
    yield f"### {say('Gate: failed') if gate['failed'] else warned}"
    yield ""
    yield say("| rule | result | expected | found |")
    yield "|---|---|---|---|"
    for rule in gate["rules"]:
        cells = (rule["id"], said(rule["group"]), rule["expected"], rule["found"])
        yield f"| {' | '.join(map(escaped, cells))} |"
    if gate["accepted"]:
        yield ""
        yield say("| accepted | reason | by | until | |")
        yield "|---|---|---|---|---|"
        for each in gate["accepted"]:
            row = [each[key] for key in ("cell", "reason", "by", "until", "state")]
            yield f"| {' | '.join(map(escaped, row))} |"


def _caveats(summary: Mapping[str, Any]) -> Iterator[str]:
    lines = [*summary["below_chance"][1:], *summary["warnings"], *summary["notes"]]
    if lines:
        yield f"### {say('To be read with it')}"
        yield ""
    yield from (f"- {escaped(retold(line))}" for line in lines)


def _identity(summary: Mapping[str, Any]) -> Iterator[str]:
    known = summary["identity"]
    model, dataset = known["model"], known["dataset"]
    yield "<details><summary>" + say("What was audited, and how") + "</summary>"
    yield ""
    rows = {
        say("model"): model["name"],
        say("weights (SHA-256)"): model["weights_sha256"],
        say("data"): dataset["name"],
        say("photos, classes"): f"{dataset['photos']}, {dataset['classes']}",
        say("list of photos (SHA-256)"): dataset["listing_sha256"],
        say("methods"): ", ".join(known["methods"]),
        say("date"): known["date"],
        say("seed"): known["seed"],
        say("versions"): ", ".join(f"{name} {text}" for name, text in known["versions"].items()),
        say("command"): None
        if known["command"] is None
        else shlex.join(["xai-audit", *known["command"]]),
    }
    yield from (f"- {name}: {escaped(value)}" for name, value in rows.items() if value is not None)
    yield ""
    yield "</details>"
