"""The same audits by an earlier revision and by this checkout: every table equal, no verdict moved.

The earlier revision is checked out beside and its runs are kept, so that floats are compared on
one machine. It is the last revision that changed rows on purpose.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from tests.bench import photos
from tests.bench.child import REPO
from tests.bench.planted import scenarios
from tests.bench.planted.build import built, weights_file
from tests.bench.planted.build import overrides as planted
from tests.bench.rows import Row, skipped

BASE = os.environ.get("XAI_AUDIT_BASE", "fa54489")
CACHE = REPO / "outputs" / "frozen"
TOLERANCE = 1e-6
COMMAND = "make bench ARGS=frozen"
_SCENARIOS = (
    "border_flat", "text_bottom_right", "background_brick", "cast_warm", "decoy_border_stripes",
    "control_flowers17_00",
)  # fmt: skip
_TABLES = {
    "manifest.parquet": ["image_id"],
    "scores": ["image_id", "method", "target_kind"],
    "attributions": ["image_id", "method", "target_kind"],
    "methods.parquet": ["method"],
    "clusters.parquet": ["class_name", "cluster"],
    "evidence.parquet": ["class_name", "cue", "method"],
    "carriers.parquet": ["class_name", "cue", "image_id"],
    "pulls.parquet": ["class_name", "cue", "victim_class"],
    "summary.parquet": ["cue"],
    "groups.parquet": ["class_name", "group"],
    "transplants": [
        "class_name", "cue", "question", "given", "image_id", "donor_with", "donor_without",
    ],
    "boundaries.parquet": ["pair", "class_name", "other_class", "method"],
    "adversarial.parquet": ["image_id", "attack"],
    "augmentation.parquet": ["image_id", "augmentation", "strength"],
    "flags.parquet": ["image_id", "method", "reason"],
}  # fmt: skip


def run(shared: Path, quick: bool) -> list[Row]:
    """A row for every audit."""
    if not photos.present(shared) or not weights_file(shared).is_file():
        return [skipped("frozen tables", "equal", photos.ABSENT, COMMAND)]
    audits = {"demo": ["dataset=flowers", "method=gradcam"]}
    if not quick:
        audits["flowers17"] = photos.overrides(shared, Path("OUT"))
        for scenario in (*scenarios.twins(), *scenarios.decoys(), *scenarios.controls()):
            if scenario.name in _SCENARIOS:
                audits[scenario.name] = planted(scenario, built(scenario, shared, CACHE))
    return [compared(name, overrides) for name, overrides in audits.items()]


def compared(name: str, overrides: list[str]) -> Row:
    """The row of one audit, run by both revisions."""
    plain = [key for key in overrides if not key.startswith("output_dir=")]
    old, new = CACHE / BASE / name, CACHE / "here" / name
    _audit(base_tree(), plain, old)
    _audit(REPO, plain, new)
    found = differences(old, new)
    return Row(
        what=f"tables of {name}, {BASE} and this checkout",
        bound=f"equal within {TOLERANCE:g}, verdicts identical",
        measured="equal" if not found else "; ".join(found[:4]),
        met=not found,
        command=COMMAND,
    )


def base_tree() -> Path:
    """A checkout of BASE."""
    tree = CACHE / BASE / "tree"
    if not tree.is_dir():
        command = ["git", "worktree", "add", "--detach", str(tree), BASE]
        subprocess.run(command, cwd=REPO, check=True, capture_output=True)
    return tree


def _audit(tree: Path, overrides: list[str], out: Path) -> None:
    """Run, or resume, the audit by the code of ``tree``."""
    if (out / "SUCCESS").is_file() and tree != REPO:
        return
    command = [sys.executable, "-m", "xai_audit", *overrides, f"output_dir={out}"]
    subprocess.run(command, cwd=tree, check=True)


def differences(old: Path, new: Path) -> list[str]:
    """What differs between two runs, a line each."""
    found = []
    for table, key in _TABLES.items():
        one, other = old / table, new / table
        if one.exists() != other.exists():
            found.append(f"{table}: only one run has it")
        elif one.exists():
            found += [f"{table}: {line}" for line in _compared(one, other, key)]
    return found


def _compared(old: Path, new: Path, key: list[str]) -> list[str]:
    one, other = _sorted(old, key), _sorted(new, key)
    if list(one.columns) != list(other.columns):
        return [f"columns {sorted({*one.columns} ^ {*other.columns})}"]
    if len(one) != len(other):
        return [f"{len(one)} and {len(other)} rows"]
    lines = [_column(name, one[name], other[name]) for name in one.columns]
    return [line for line in lines if line]


def _sorted(path: Path, key: list[str]) -> pd.DataFrame:
    return pd.read_parquet(path).sort_values(key, na_position="first", ignore_index=True)


def _column(name: str, one: pd.Series, other: pd.Series) -> str:
    """How the two differ, "" where they do not."""
    if not pd.api.types.is_numeric_dtype(one):
        unequal = [not _same(a, b) for a, b in zip(one, other, strict=True)]
        if not any(unequal):
            return ""
        place = unequal.index(True)
        return f"{name}: {sum(unequal)} differ, first {one[place]!r} and {other[place]!r}"
    left, right = (each.to_numpy(np.float64, na_value=np.nan) for each in (one, other))
    far = np.abs(left - right)
    wrong = (np.isnan(left) != np.isnan(right)) | (far > TOLERANCE)
    if not wrong.any():
        return ""
    return f"{name}: {int(wrong.sum())} differ, by {np.nanmax(far):.3g} at most"


def _same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        if one.shape != other.shape:
            return False
        if one.dtype.kind == "f":
            return bool(np.allclose(one, other, rtol=0, atol=TOLERANCE, equal_nan=True))
        return bool((one == other).all())
    missing = (one is None or one != one, other is None or other != other)
    return all(missing) if any(missing) else bool(one == other)
