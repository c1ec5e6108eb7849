"""A module imports only lower layers (DESIGN: errors and schema at the bottom, the CLI on top)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "xai_audit"
LAYERS = (
    ("errors", "types", "schema"),
    ("config", "paths", "io", "geometry", "signals", "progress"),
    ("data", "models", "methods", "masks", "metrics", "engines", "demo"),
    ("manifest", "run", "worker", "report"),
    ("stages",),
    ("pipeline", "cli", "__main__"),
)
LAYER = {name: level for level, names in enumerate(LAYERS) for name in names}
PLUGINS = 2


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
    if own == "__init__":
        assert not imports(path)
        return
    for other in imports(path) - {own}:
        assert LAYER[other] <= LAYER[own], f"{own} imports {other} from above"
        if LAYER[own] == PLUGINS:
            assert LAYER[other] < PLUGINS, f"plugin package {own} imports plugin package {other}"


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_a_module_can_be_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 260
