"""How it was measured: when, of which photos and weights, with what, and how to cite it."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

from xai_audit import __version__
from xai_audit.language import say
from xai_audit.report.again import own_command
from xai_audit.run.files import read_json
from xai_audit.run.verdicts import are_made

if TYPE_CHECKING:
    from xai_audit.run.reader import Run

# Of CITATION.cff, which an installed package does not have.
TITLE = "xai_audit: tells whether an image classifier is right for the right reasons"
AUTHOR, URL = "The xai_audit maintainers", "https://github.com/xai-audit/xai_audit"
_PHOTO = ["image_id", "class_name", "file_bytes", "width", "height"]
_DRAWING = ("gallery", "explore", "page", "report")  # stages that measure nothing
_SHOWN = ("xai_audit", "python", "torch", "torchvision", "timm")


def measured(run: Run) -> dict[str, Any]:
    """``rows``, (heading, text) of what is known, ``command``, or None, and ``cite``, BibTeX.

    Raises:
        OutputError: the manifest is broken.
    """
    record, versions = run.record, run.record.get("versions") or {}
    known = {
        say("Measured"): _date(run),
        say("Photos"): _photos(run),
        say("Weights"): _weights(run),
        say("Masks"): _masks(run),
        say("Versions"): ", ".join(
            f"{name} {versions[name]}" for name in _SHOWN if name in versions
        ),
        say("Device"): _joined(record.get("device"), record.get("precision")),
        say("Seed"): None if record.get("seed") is None else str(record["seed"]),
    }
    rows = [(heading, text) for heading, text in known.items() if text]
    return {"rows": rows, "command": own_command(run), "cite": _cite(run)}


def measured_at(run: Run) -> str | None:
    """When the last stage that measures was finished, in UTC (ISO 8601)."""
    dates = run.record.get("finished") or {}
    return max((when for stage, when in dates.items() if stage not in _DRAWING), default=None)


def _date(run: Run) -> str | None:
    when = measured_at(run)
    return None if when is None else f"{datetime.fromisoformat(when):%Y-%m-%d %H:%M} UTC"


def listing(run: Run) -> tuple[int, str]:
    """How many photos were audited, and the SHA-256 of their names, classes and sizes.

    Raises:
        OutputError: the manifest is broken.
    """
    digest, count = hashlib.sha256(), 0
    for frame in run.scan("manifest", [*_PHOTO, "selected"]):
        chosen = frame[frame["selected"]]
        for row in chosen[_PHOTO].itertuples(index=False):
            digest.update(repr(tuple(row)).encode("utf-8", "surrogatepass"))
        count += len(chosen)
    return count, digest.hexdigest()


def _photos(run: Run) -> str | None:
    count, mark = listing(run)
    if not count:
        return None
    return say(
        "{number}, sha256 {mark} of their names, classes and sizes",
        number=f"{count:,}",
        mark=mark[:16],
    )


def _weights(run: Run) -> str | None:
    """A hash of parameters, layers and transform."""
    noted = read_json(run.paths.model_json)
    weights = (noted.get("facts") or {}).get("weights") if isinstance(noted, dict) else None
    if not weights:
        return None
    return say("sha256 {mark} of parameters, layers and transform", mark=weights[:16])


def _masks(run: Run) -> str | None:
    """What made the masks, and of how many photos it could not; None where they were given."""
    if not are_made(run.record):
        return None
    noted = run.record["masks"]
    text = say(
        "made by the network {network}, not given: {number} photos",
        network=noted["by"],
        number=f"{noted['made']:,}",
    )
    refused = [f"{count:,} {status}" for status, count in noted["refused"].items()]
    if refused:
        text += say("; without a mask: {statuses}", statuses=say(", ").join(refused))
    return text


def _joined(*parts: object) -> str | None:
    return ", ".join(str(part) for part in parts if part) or None


def _cite(run: Run) -> str:
    version = (run.record.get("versions") or {}).get("xai_audit", __version__)
    return (
        f"@software{{xai_audit,\n  author = {{{{{AUTHOR}}}}},\n  title = {{{TITLE}}},\n"
        f"  version = {{{version}}},\n  url = {{{URL}}}\n}}"
    )
