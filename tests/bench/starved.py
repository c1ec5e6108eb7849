"""Every method where a real allocator refuses: it finishes, and its rows are those of plenty.

The starved process may take 1 GB more than it holds at its first batch (a limit on its address
space), where the batch asked for needs more; the other one has no limit.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pandas as pd

from tests import tiny
from tests.bench.child import audit_command, finished, shown
from tests.bench.rows import Row

# Few draws; the number of forwards has no part in what memory they need at once.
KEYS = {
    "rise": ["method.samples=96"],
    "lime": ["method.samples=96", "method.superpixels=grid"],
    "kernel_shap": ["method.samples=96", "method.superpixels=grid"],
    "feature_ablation": ["method.superpixels=grid"],
    "integrated_gradients": ["method.steps=8"],
    "gradient_shap": ["method.samples=4"],
    "smoothgrad": ["method.samples=4"],
}
# They watch attention, which this network has none of; ViT-B/16 has its own test of small memory.
_TRANSFORMERS = {"attention_rollout", "attention_gradient_rollout"}
_IMAGES, _SIDE = 48, 256


def run(shared: Path, quick: bool) -> list[Row]:
    """A row a method."""
    del shared  # generated photos
    names = sorted({path.stem for path in (tiny.REPO / "conf/method").glob("*.yaml")})
    names = [name for name in names if name not in _TRANSFORMERS]
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        root = Path(folder)
        tiny.make_folder(root, _IMAGES // len(tiny.CLASSES))
        return [_row(root, name) for name in (names[:1] if quick else names)]


def _row(root: Path, name: str) -> Row:
    """Both runs of one method, compared."""
    peaks, tables = {}, {}
    for memory in ("wide", "starved"):
        done = finished(audit_command(_arguments(root, name, memory)), timeout=900, check=False)
        if done.code:
            last = done.stderr.strip().splitlines()[-1:]
            return _told(root, name, f"{memory}: exit {done.code}: {last}", met=False)
        peaks[memory] = done.peak_mib
        tables[memory] = pd.read_parquet(root / f"{name}-{memory}" / "scores")
    counts = json.loads((root / f"{name}-starved" / "run.json").read_text())["counts"]
    try:
        pd.testing.assert_frame_equal(*tables.values(), atol=1e-4, rtol=1e-3)
        same = "same rows"
    except AssertionError as exc:
        same = f"other rows: {str(exc).splitlines()[0]}"
    measured = (
        f"{same}, {counts['oom_retries']} retries, peak {peaks['starved']:.0f} MiB "
        f"(without a limit {peaks['wide']:.0f})"
    )
    met = same == "same rows" and counts["oom_retries"] > 0 and counts["ok"] == _IMAGES
    return _told(root, name, measured, met=met)


def _told(root: Path, name: str, measured: str, *, met: bool) -> Row:
    command = shown(audit_command(_arguments(root, name, "starved")), TMP=root)
    return Row(f"real memory limit: {name}", "finishes, same rows", measured, met, command)


def _arguments(root: Path, name: str, memory: str) -> list[str]:
    return [
        "dataset=imagefolder",
        f"dataset.root={root / 'images'}",
        "model=custom",
        f"model.factory=tests.tiny:{memory}_net",
        f"model.preprocess.resize={_SIDE}",
        f"model.preprocess.crop={_SIDE}",
        f"method={name}",
        *KEYS.get(name, ()),
        "stages=[index,attribute,score]",
        f"compute.batch_size={_IMAGES}",
        "compute.num_workers=0",
        "compute.device=cpu",
        f"output_dir={root / f'{name}-{memory}'}",
    ]
