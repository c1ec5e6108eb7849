"""``xai-audit methods``: the attribution methods, what each needs and what it costs; no torch.

What is said of a method is read from its files: needs and forwards from the comment at the top of
its YAML file, the sign from its keys, one line and the paper from the docstring of its module.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from xai_audit.config.costs import needs_and_forwards
from xai_audit.config.nodes import CONF_DIR
from xai_audit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SOURCE = re.compile(r"^Source: (.*?)(?:\n\n|\Z)", re.DOTALL | re.MULTILINE)


def main(arguments: Sequence[str]) -> int:
    """The exit code, 0."""
    parser = argparse.ArgumentParser(
        prog="xai-audit methods",
        description="The attribution methods. Forwards are copies of a photo that go through the "
        "model, with the method's defaults; method=NAME --help shows its keys.",
    )
    parser.add_argument("--json", action="store_true", help="the same as JSON, with the papers")
    parser.add_argument("--config-dir", "-cd", type=Path, help="a folder of YAML files")
    given = parser.parse_args(arguments)
    places = [CONF_DIR] if given.config_dir is None else [CONF_DIR, given.config_dir]
    files = {file.stem: file for place in places for file in (place / "method").glob("*.yaml")}
    found = [described(file) for _, file in sorted(files.items())]
    text = json.dumps(found, indent=1) if given.json else "\n".join(_lines(found))
    sys.stdout.write(f"{text}\n")
    return 0


def described(file: Path) -> dict[str, Any]:
    """``name``, ``needs``, ``forwards``, ``sign``, ``about`` and ``paper`` of a method's YAML file.

    What its files do not say is None.
    """
    try:
        node = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as exc:
        raise ConfigError("cannot read a YAML file", where=file, got=exc) from exc
    needs, forwards = needs_and_forwards(file, node)
    about, paper = _documented(str(node.get("_target_", "")))
    return {
        "name": file.stem,
        "needs": needs,
        "forwards": forwards,
        "sign": node.get("sign"),
        "about": about,
        "paper": paper,
    }


def _documented(target: str) -> tuple[str | None, str | None]:
    """The first line of the docstring of a plugin's module, and its source; nothing is run of it.

    The packages that hold the module are imported, as finding it takes.
    """
    try:
        spec = find_spec(target.rpartition(".")[0])
    except (ImportError, ValueError):
        return None, None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return None, None
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    source = _SOURCE.search(text)
    return text.partition("\n")[0] or None, " ".join(source[1].split()) if source else None


def _lines(found: Sequence[dict[str, Any]]) -> list[str]:
    head = {key: key for key in ("name", "needs", "forwards", "sign", "about")}
    rows = [{key: "" if row[key] is None else str(row[key]) for key in head} for row in found]
    wide = {key: max(len(row[key]) for row in (head, *rows)) for key in head}
    return ["  ".join(row[key].ljust(wide[key]) for key in head).rstrip() for row in (head, *rows)]
