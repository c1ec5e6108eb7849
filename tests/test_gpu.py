"""On a CUDA device: the rows of a CPU, in every precision, and a batch that does not fit."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import torch

from tests import tiny

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 1e-3), ("bf16", 0.1), ("fp16", 0.03)]
)
def test_same_rows_as_on_a_cpu(folder, tmp_path, precision, tolerance):
    tables = {}
    for device in ("cpu", "cuda:0"):
        out = tmp_path / device.partition(":")[0]
        chosen = "fp32" if device == "cpu" else precision
        more = (tiny.WHOLE, f"compute.device={device}", f"compute.precision={chosen}",
                "compute.num_workers=2")  # fmt: skip
        result = tiny.audit(tiny.overrides(folder, out, *more))
        assert result.returncode == 0, result.stderr
        tables[device] = pd.read_parquet(out / "scores")
    cpu, gpu = tables["cpu"], tables["cuda:0"]
    assert list(cpu.image_id) == list(gpu.image_id)
    masses = [name for name in cpu.columns if name.startswith("mass_") and name != "mask_status"]
    pd.testing.assert_frame_equal(cpu[masses], gpu[masses], atol=tolerance, rtol=0)


def test_a_batch_that_does_not_fit_is_halved(folder, tmp_path):
    free, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(min(0.25 * 2**30 / total, 1.0))
    try:
        out = tmp_path / "out"
        more = (
            "compute.device=cuda:0",
            "compute.batch_size=18",
            "compute.part_size=18",
            "model.factory=tests.tiny:wide_net",
            "model.preprocess.resize=512",
            "model.preprocess.crop=512",
        )
        result = tiny.audit(tiny.overrides(folder, out, *more))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert free > 0
    assert result.returncode == 0, result.stderr
    run = json.loads((out / "run.json").read_text())
    assert run["counts"]["oom_retries"] > 0
    assert run["counts"]["ok"] == 18
