"""The rows of every stage are those of its VERSION."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import golden
from xai_audit.pipeline import STAGES

pytestmark = pytest.mark.xdist_group("golden")  # they share a run

# Kernels differ between processors; an error in a formula does not stay below this.
_RELATIVE, _ABSOLUTE = 2e-3, 2e-3


@pytest.fixture(scope="module")
def found(folder, tmp_path_factory) -> dict[str, Any]:
    return golden.golden(golden.audited(folder, tmp_path_factory.mktemp("golden") / "out"))


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other, rel=_RELATIVE, abs=_ABSOLUTE)
    return one == other


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES])
def test_rows_are_those_of_the_stage_s_version(found, stage):
    now, everywhere = found[stage], json.loads(golden.FILE.read_text(encoding="utf-8"))
    known = {
        name
        for name, stages in everywhere.items()
        if stages.get(stage, {}).get("version") == now["version"]
    }
    assert known, "python -m tests.golden notes the new version's rows"
    if golden.PROCESSOR not in known:
        pytest.skip(f"rows of version {now['version']} noted on {', '.join(sorted(known))} alone")
    noted = everywhere[golden.PROCESSOR][stage]
    differ = [
        f"{table}.{column}: {noted[table].get(column)} was, {now[table].get(column)} is"
        for table in golden.TABLES[stage]
        for column in noted[table].keys() | now[table].keys()
        if not same(noted[table].get(column), now[table].get(column))
    ]
    assert not differ, f"raise VERSION of stage {stage}, then python -m tests.golden: {differ}"
