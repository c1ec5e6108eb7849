"""The audit of the demo finds the three planted shortcuts, names them, and accuses nobody else."""

from __future__ import annotations

import pandas as pd
import pytest

from xai_audit.demo.truth import read_table


@pytest.mark.xdist_group("demo")
@pytest.mark.timeout(1600)
def test_exactly_the_planted_classes_are_confirmed_with_the_right_cue(demo):
    done, out = demo
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(out / "evidence.parquet")
    confirmed = table[table["verdict"] == "confirmed"]
    found = set(zip(confirmed["class_name"], confirmed["cue"], strict=True))
    assert found == {(row.class_name, row.region) for row in read_table() if row.region}
