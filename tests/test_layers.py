"""A module imports only lower layers; the layers are the map in the package's docstring."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

import xai_audit

PACKAGE = Path(__file__).resolve().parent.parent / "xai_audit"
# The map that people read is the one that is checked: lines of "layer  module  what it holds".
LAYER = {
    name: int(layer)
    for layer, name in re.findall(r"^ +(\d+)  (\w+)  +\S", xai_audit.__doc__ or "", flags=re.M)
}


def test_the_map_names_every_module():
    places = [path for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()]
    names = {path.stem for path in places} - {"__init__", "__pycache__", "conf"}
    assert {*LAYER} == names
    assert list(LAYER.values()) == sorted(LAYER.values())


def imports(path: Path) -> set[str]:
    """The first-level names of the package that ``path`` imports, wherever it does so."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {
        n.split(".")[1] for n in found if n.startswith("xai_audit.") and n.split(".")[1] in LAYER
    }


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_imports_point_down(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":  # imports nothing of the package before a function of it is called
        top = ast.parse(path.read_text(encoding="utf-8")).body
        assert not [node for node in top if isinstance(node, ast.Import)]
        assert {n.module for n in top if isinstance(n, ast.ImportFrom)} <= {"__future__", "typing"}
        return
    for other in imports(path) - {own}:
        assert LAYER[other] < LAYER[own], f"{own} imports {other}, which is not below it"


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_a_module_can_be_read_in_one_sitting(path):
    # The contracts of all plugins, and the columns of all tables, each in one place.
    most = {"types.py": 350, "schema.py": 400}.get(path.name, 250)
    assert len(path.read_text(encoding="utf-8").splitlines()) <= most


# What a stage's rows do not depend on, or its fingerprint holds by value.
NOT_ROWS = {
    "errors", "config", "build", "paths", "io", "progress", "signals", "tables", "run",
    "demo", "stages", "validation",
}  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "start"),
    [
        ("attribute", "worker/parts.py"),
        ("score", "worker/scoring.py"),
        ("flag", "report/flags.py"),
        ("discover", "discovery/discover.py"),
        ("trust", "trust/measure.py"),
        ("trust", "trust/table.py"),
        ("agreement", "agreement/compare.py"),
        ("agreement", "agreement/summary.py"),
        ("agreement", "agreement/sample.py"),
        ("boundary", "boundary/pairs.py"),
        ("boundary", "boundary/table.py"),
        ("evidence", "evidence/survey.py"),
        ("evidence", "evidence/transplant.py"),
        ("evidence", "evidence/verdict.py"),
        ("evidence", "evidence/table.py"),
        ("evidence", "evidence/summary.py"),
        ("evidence", "evidence/measure.py"),
        ("adversarial", "adversarial/attacker.py"),
    ],
)
def test_a_stage_watches_all_the_code_that_makes_its_rows(stage, start):
    """The code version of a stage covers whatever its modules import, however far down."""
    watched = importlib.import_module(f"xai_audit.stages.{stage}")._CODE
    todo, seen = [PACKAGE / start], set()
    while todo:
        path = todo.pop()
        if path in seen or path.relative_to(PACKAGE).parts[0].removesuffix(".py") in NOT_ROWS:
            continue
        seen.add(path)
        todo += modules(path)
    for path in seen:
        name = path.relative_to(PACKAGE).as_posix()
        assert any(name == w or name.startswith(f"{w}/") for w in watched), name


def modules(path: Path) -> list[Path]:
    """The package's files that ``path`` imports at run time, as far as their names progress."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = (PACKAGE.parent.joinpath(*name.split(".")).with_suffix(".py") for name in names)
    return [file for file in files if file.is_file() and file.is_relative_to(PACKAGE)]
