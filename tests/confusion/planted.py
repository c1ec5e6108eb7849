"""A run with a planted boundary: daisies next to tulips look at the border, others do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.discovery.runs import write
from xai_audit.schema import EVIDENCE

CLASSES = ("daisy", "rose", "tulip")
NAMES = dict(enumerate(CLASSES))


def photo(
    image_id: str, against: str, margin: float, masses: dict[str, float], **more: Any
) -> dict[str, Any]:
    """One row of a photo, in attributions and scores alike; a margin below 0 is a mistake."""
    label = CLASSES.index(image_id.split("/")[0])
    rival = CLASSES.index(against)
    heatmap = np.zeros((4, 4))
    heatmap[0 if masses["border"] > 0.5 else 2, 1] = 1
    row = {"image_id": image_id, "class_name": CLASSES[label], "label": label, "against": rival}
    row |= {"pred": rival if margin < 0 else label, "confidence": 0.6, "target": label}
    row |= {"target_score": margin, "method": "gradcam", "target_kind": "contrast"}
    row |= {"heatmap": heatmap.astype(np.float16).ravel(), "heatmap_scale": 1.0}
    row |= {"heatmap_height": 4, "heatmap_width": 4, "score_status": "ok"}
    row |= {f"mass_{region}": mass for region, mass in masses.items()}
    return row | more


def rows() -> list[dict[str, Any]]:
    """12 daisies beside tulips, 3 taken for them; 20 daisies beside roses; 5 tulips; 4 roses."""
    found = []
    for n in range(12):
        masses = {"border": 0.7 + 0.01 * (n % 3), "object": 0.2}
        found.append(photo(f"daisy/{n:02d}", "tulip", n - 2.5, masses))
    for n in range(20):
        masses = {"border": 0.2 + 0.01 * (n % 5), "object": 0.2}
        found.append(photo(f"daisy/{20 + n}", "rose", 1 + n, masses))
    found += [photo(f"tulip/{n}", "daisy", 2 + n, {"border": 0.3, "object": 0.5}) for n in range(5)]
    # Nothing confused, but close: 0.25, 0.5, 0.75, 1, 1.25 from tulips.
    found += [
        photo(f"rose/{n}", "tulip", 0.25 * (n + 1), {"border": 0.3, "object": 0.5})
        for n in range(5)
    ]
    return found


def run_of(root: Any, told: list[dict[str, Any]] | None = None, part: int = 7):
    return write(root, rows() if told is None else told, part=part)


def evidence(path: Any) -> Any:
    """The border is confirmed for daisies, two more are suspected; nothing for the others."""
    base = dict.fromkeys(EVIDENCE.names) | {"method": "gradcam", "because": "-"}
    told = [
        ("daisy", "colour", "suspected", 0.1),
        ("daisy", "border", "confirmed", 0.5),
        ("daisy", "background", "suspected", 0.2),
        ("tulip", "border", "clear", 0.0),
        ("rose", "border", "undetermined", None),
    ]
    cells = [
        base | {"class_name": c, "cue": cue, "verdict": verdict, "reliance": effect}
        for c, cue, verdict, effect in told
    ]
    pq.write_table(pa.Table.from_pylist(cells, EVIDENCE), path)
    return path
