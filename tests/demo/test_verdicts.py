"""The audit of the demo finds the three planted shortcuts, names them, and accuses nobody else."""

from __future__ import annotations

import pandas as pd

from tests import tiny
from xai_audit.demo.truth import read_table


def test_exactly_the_planted_classes_are_confirmed_with_the_right_cue(tmp_path):
    done = tiny.audit(["dataset=flowers", f"output_dir={tmp_path}", "report.per_reason=2"])
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "evidence.parquet")
    confirmed = table[table["verdict"] == "confirmed"]
    found = set(zip(confirmed["class_name"], confirmed["cue"], strict=True))
    assert found == {(row.class_name, row.region) for row in read_table() if row.region}
