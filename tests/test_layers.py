"""A module imports only lower layers; the layers are the map in the package's docstring."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import xai_audit
from xai_audit.pipeline import STAGES

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
    if path.name == "__main__.py":  # a command stands on top, wherever it lies
        own = "__main__"
    if own == "__init__":  # imports nothing of the package before a function of it is called
        top = ast.parse(path.read_text(encoding="utf-8")).body
        assert not [node for node in top if isinstance(node, ast.Import)]
        assert {n.module for n in top if isinstance(n, ast.ImportFrom)} <= {"__future__", "typing"}
        return
    for other in imports(path) - {own}:
        assert LAYER[other] < LAYER[own], f"{own} imports {other}, which is not below it"


def test_an_engine_knows_no_stage_and_no_stage_an_engine():
    """Engines are named by the configuration alone, and know what every module may know."""
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name == "engines":
            assert imports(path) <= {"engines", "errors"}, path.name
            words = {*re.findall(r"\w+", path.read_text(encoding="utf-8"))}
            assert not words & {stage.name for stage in STAGES} - {"index", "page", "flag"}, (
                path.name
            )
        else:
            assert "engines" not in imports(path), path.name


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_a_module_can_be_read_in_one_sitting(path):
    # All contracts of plugins, columns, keys, files of a run and errors, each in one place.
    whole = {"types.py": 360, "schema.py": 520, "nodes.py": 350, "paths.py": 300, "errors.py": 300}
    most = whole.get(path.name, 250)
    assert len(path.read_text(encoding="utf-8").splitlines()) <= most


def test_planning_loads_neither_torch_nor_a_plugin_s_library():
    """A command whose stages are current, or whose thresholds alone changed, starts at once."""
    code = (
        "import sys, xai_audit.pipeline\n"
        "heavy = ('torch', 'torchvision', 'captum', 'sklearn', 'skimage', 'timm', 'matplotlib')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True
    )
    assert done.stdout.strip() == "[]"


def test_stage_files_hold_plan_work_and_merge():
    """What a stage computes stands beside it, so that a worker and a reader find it there."""
    files = [file for file in PACKAGE.glob("*/stage.py") if file.parent.name != "work"]
    files += [*PACKAGE.glob("*/stages/[a-z]*.py")]
    assert len(files) == len(STAGES)
    for file in files:
        names = {
            node.name
            for node in ast.parse(file.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef)
        }
        assert "plan" in names, file
        assert {"work", "merge"} & names, file
