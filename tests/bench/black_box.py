"""The demo through a function of photos: are the verdicts those of the network behind it?"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch

from tests.bench.child import audit_command, finished
from tests.bench.rows import Row
from xai_audit.config.build import build
from xai_audit.config.compose import compose
from xai_audit.network.inputs import Inputs
from xai_audit.network.prepare import prepare
from xai_audit.run.paths import RunPaths

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xai_audit.types import LoadedModel

COMMAND = "python -m tests.bench black_box"
_STAGES = "stages=[index,attribute,score,trust,discover,evidence]"
# Coarse: 64 forwards a photo.
_METHOD = ("method=occlusion", "method.window=0.25", "method.stride=0.125", "trust.images=4")
_CELL = ["class_name", "cue"]


def run(shared: Path, quick: bool) -> list[Row]:
    """How many cells of class and cue have the same verdict; whether the same are confirmed.

    Args:
        shared: not used; the demo needs nothing.
        quick: whether a few photos are enough.
    """
    del shared
    few = ["limit=60"] if quick else []
    crop = model().preprocess.crop[0]
    function = [
        "model=callable", "model.function=tests.bench.black_box:predict",
        f"model.preprocess.resize={model().preprocess.resize}", f"model.preprocess.crop={crop}",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        network = verdicts(Path(folder, "network"), [*few])
        hidden = verdicts(Path(folder, "function"), [*few, *function])
    same = int((network == hidden.reindex(network.index)).sum())
    confirmed = [{*table[table == "confirmed"].index} for table in (network, hidden)]
    return [
        Row(
            f"the demo through model=callable: the same verdict, of {len(network)} cells",
            "all", str(same), met=quick or same == len(network), command=COMMAND,
        ),
        Row(
            "... the same cells confirmed", "the same", " and ".join(map(str, map(len, confirmed))),
            met=quick or confirmed[0] == confirmed[1], command=COMMAND,
        ),
    ]  # fmt: skip


def verdicts(output: Path, more: list[str]) -> pd.Series[str]:
    """Verdict by class and named cue, of an audit whose heatmaps need outputs only."""
    given = ["dataset=flowers", *_METHOD, _STAGES, f"output_dir={output}", *more]
    finished(audit_command(given))
    table = pd.read_parquet(RunPaths(output).evidence)
    named = table[~table["cue"].str.startswith("cluster")]  # of other heatmaps others are found
    return named.set_index(_CELL)["verdict"]


@cache
def model() -> LoadedModel:
    """The demo's own network."""
    keys = compose(["dataset=flowers"]).settings.model
    return prepare(build("model", keys, num_classes_of_dataset=10), device="cpu")


def predict(photos: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities (B, K) of photos (B, H, W, 3) uint8, as a service would give them."""
    pixels = torch.from_numpy(photos).permute(0, 3, 1, 2)
    with torch.no_grad():
        logits = model().module(Inputs(model(), "fp32").normalised(pixels))
    found: NDArray[np.float32] = logits.softmax(1).numpy()
    return found
