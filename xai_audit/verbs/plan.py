"""``xai-audit plan KEY=VALUE...``: what the audit of these keys would take, without running it."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_audit.config.compose import compose
from xai_audit.errors import ConfigError, StoppedError
from xai_audit.verbs.run import complain, start_log, unknown_flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.config.spec import RunSpec
    from xai_audit.estimate.trial import Trial

log = logging.getLogger("xai_audit")

_WORKERS = (1, 8)  # beside engine.workers
_HOUR = 3600.0
_UNKNOWN = "not measured"  # as estimate.scale says it, whose import is slow
_UNITS = ("B", "kB", "MB", "GB", "TB")


def main(arguments: Sequence[str]) -> int:
    """The exit code, as of the audit itself."""
    parser = argparse.ArgumentParser(
        prog="xai-audit plan",
        allow_abbrev=False,
        description="What the audit of KEY=VALUE... would take: parts, files, forwards, hours. "
        "A few photos are audited in a temporary folder; the rest is extrapolated.",
    )
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    parser.add_argument("--config-dir", "-cd", type=Path, help="a folder of YAML files")
    given, overrides = parser.parse_known_args(arguments)
    for flag in overrides:
        if flag.startswith("-"):
            complain(unknown_flag(flag))
            return ConfigError.exit_code
    start_log()
    spec = compose(overrides, config_dirs=[given.config_dir] if given.config_dir else [])
    if spec.settings.budget is not None:
        log.info("plan: of the whole audit; budget=%s is a part of it", spec.settings.budget)
    log.info("plan: reading all headers, then auditing a few photos in a temporary folder")
    log.setLevel(logging.WARNING)  # the trial is not the audit
    try:
        found = _found(spec)
    except StoppedError as exc:
        complain(f"plan stopped by signal {exc.signum}; nothing is kept")
        return 128 + exc.signum
    text = json.dumps(found, indent=1) if given.json else "\n".join(_lines(found))
    sys.stdout.write(f"{text}\n")
    return 0


def _found(spec: RunSpec) -> dict[str, Any]:
    """Photos, stages, hours, as JSON values."""
    from xai_audit.estimate.scale import predicted, seconds
    from xai_audit.estimate.trial import sizes_of, tried

    with tempfile.TemporaryDirectory(prefix="xai-audit-plan-") as folder:
        trial = tried(spec, Path(folder))
        rows, sizes = predicted(trial), sizes_of(trial.full)
        manifest = trial.full.manifest()
        workers = spec.settings.engine.get("workers")
        counts = sorted({*_WORKERS, *([workers] if isinstance(workers, int) and workers else [])})
        return {
            "files_found": manifest.num_rows,
            "photos": sum(sizes.values()),
            "classes": len(sizes),
            "trial": _trial(trial),
            "stages": [asdict(row) for row in rows],
            "other_files": trial.others[0],
            "other_bytes": round(trial.others[1] * max(sum(sizes.values()) / trial.photos, 1.0)),
            "hours": {str(count): seconds(rows, count) / _HOUR for count in counts},
        }


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "photos": trial.photos,
        "classes": len(trial.classes),
        "seconds": round(trial.seconds, 1),
        "device": trial.device,
    }


def _lines(found: dict[str, Any]) -> list[str]:
    trial = found["trial"]
    head = f"{'stage':<13}{'parts':>8}{'files':>9}{'size':>10}{'forwards':>13}{'hours':>9}"
    size = _size(found["other_bytes"])
    others = f"{'tables, page':<13}{'':>8}{found['other_files']:>9,}{size:>10}"
    hours = [f"{_hours(each)} on {count}" for count, each in found["hours"].items()]
    unknown = [row["stage"] for row in found["stages"] if row["basis"] == _UNKNOWN]
    missing = f"; without {', '.join(unknown)}, {_UNKNOWN}" if unknown else ""
    return [
        f"{found['files_found']:,} files found: {found['photos']:,} photos of "
        f"{found['classes']:,} classes",
        f"measured on {trial['photos']} photos of {trial['classes']} classes in "
        f"{trial['seconds']:.0f} s ({trial['device'] or 'no model'}); all headers were read",
        "",
        f"{head}  costs grow with",
        *map(_stage_line, found["stages"]),
        f"{others}{'':>13}{'':>9}  photos, extrapolated",
        "",
        f"hours by workers, each as fast as this process: {', '.join(hours)}{missing}",
    ]


def _stage_line(row: dict[str, Any]) -> str:
    forwards = "" if row["forwards"] is None else f"{row['forwards']:,}"
    hours = (row["once"] + row["work"] + row["serial"]) / _HOUR
    numbers = f"{row['parts']:>8,}{row['files']:>9,}{_size(row['bytes']):>10}{forwards:>13}"
    return f"{row['stage']:<13}{numbers}{_hours(hours):>9}  {row['grows_with']}, {row['basis']}"


def _hours(hours: float) -> str:
    return f"{hours:.1f}" if hours >= 1 else f"{hours:.3f}"


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
