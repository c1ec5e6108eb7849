"""``xai-audit models [NAME]``: what ``model=`` takes, and the archs with NAME in theirs; no torch.

The names of torchvision and timm are read from the files of these packages, which takes a tenth of
the time of importing them.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_audit.config.meanings import of_file
from xai_audit.config.nodes import CONF_DIR

if TYPE_CHECKING:
    from collections.abc import Sequence

# As both packages mark the functions that build a model; decorators may stand between.
_MODEL = re.compile(r"^@register_model\b.*\n(?:[@ ].*\n|\)\n)*def (\w+)\(", re.MULTILINE)
# Options whose archs can be listed, and the extra that installs the package.
_PACKAGES = {"torchvision": None, "timm": "timm"}


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, and 1 where no arch has that name."""
    parser = argparse.ArgumentParser(
        prog="xai-audit models",
        description="What model=OPTION takes; with NAME the archs whose name holds it. "
        "model=OPTION --help shows an option's keys.",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="a part of an arch's name")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    given = parser.parse_args(arguments)
    found = _found(given.name)
    text = json.dumps(found, indent=1) if given.json else "\n".join(_lines(found, given.name))
    sys.stdout.write(f"{text}\n")
    return int(given.name is not None and not any(row["archs"] for row in found))


def _found(part: str | None) -> list[dict[str, Any]]:
    """``option``, ``about``, ``version`` of its package and ``archs``, of each option."""
    rows = []
    for file in sorted((CONF_DIR / "model").glob("*.yaml")):
        name = file.stem
        archs = known(name) if name in _PACKAGES else []
        rows.append(
            {
                "option": name,
                "about": of_file(file)[0],
                "version": _version(name) if name in _PACKAGES else None,
                "archs": [each for each in archs if part is None or part.lower() in each.lower()],
            }
        )
    return rows


def known(package: str) -> list[str]:
    """The names of the classifiers of torchvision or timm; none where it is not installed."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return []
    files = (Path(spec.origin).parent / "models").glob("*.py")
    return sorted({name for file in files for name in _MODEL.findall(file.read_text("utf-8"))})


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _lines(found: Sequence[dict[str, Any]], part: str | None) -> list[str]:
    if part is not None:
        rows = [(row["option"], arch) for row in found for arch in row["archs"]]
        return [f"model={option} model.arch={arch}" for option, arch in rows] or ["no such arch"]
    lines = []
    for row in found:
        lines.append(f"model={row['option']:<12} {row['about']}")
        if row["archs"]:
            text = f"{len(row['archs'])} archs of version {row['version']}"
            lines.append(f"{'':<18} {text}: xai-audit models NAME searches")
        elif row["option"] in _PACKAGES:
            remedy = f'pip install "xai-audit[{_PACKAGES[row["option"]]}]"'
            lines.append(f"{'':<18} not installed: {remedy}")
    return lines
