"""Every column of every table with its Arrow type, and the version of them all."""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = 1

BANDS = (
    "border",
    "corner_top_left",
    "corner_top_right",
    "corner_bottom_left",
    "corner_bottom_right",
)
REGIONS = ("object", "background", *BANDS)

OK = "ok"

MANIFEST = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        # The file system's own bytes where they are not UTF-8; image_id then shows them escaped.
        ("raw_path", pa.binary()),
        ("class_name", pa.string()),
        ("label", pa.int32()),
        ("split", pa.string()),
        ("group", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        ("error", pa.string()),
        # False: left out by ``limit`` or by its status.
        pa.field("selected", pa.bool_(), nullable=False),
        ("format", pa.string()),
        ("mode", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("orientation", pa.int8()),
        ("frames", pa.int32()),
        ("file_bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("mask", pa.string()),
        ("mask_status", pa.string()),
    ]
)

# What every row of attributions, scores and flags starts with.
_ROW = [
    pa.field("image_id", pa.string(), nullable=False),
    ("class_name", pa.string()),
    ("label", pa.int32()),
    ("pred", pa.int32()),
    ("confidence", pa.float32()),
    ("method", pa.string()),
    ("target_kind", pa.string()),
    ("target", pa.int32()),
    ("against", pa.int32()),
]

ATTRIBUTIONS = pa.schema(
    [
        *_ROW,
        ("target_score", pa.float32()),
        # relevance = heatmap * heatmap_scale; the scale is a power of two, so nothing is rounded
        # twice and a faint map does not vanish in float16.
        ("heatmap", pa.list_(pa.float16())),
        ("heatmap_height", pa.int32()),
        ("heatmap_width", pa.int32()),
        ("heatmap_scale", pa.float32()),
    ]
)

SCORES = pa.schema(
    [
        *_ROW,
        ("relevance_total", pa.float32()),
        *[(f"mass_{region}", pa.float32()) for region in REGIONS],
        *[(f"area_{region}", pa.float32()) for region in REGIONS],
        *[(f"lift_{region}", pa.float32()) for region in REGIONS],
        ("rank_accuracy", pa.float32()),
        ("pointing_hit", pa.bool_()),
        ("entropy", pa.float32()),
        ("peak_y", pa.float32()),
        ("peak_x", pa.float32()),
        ("mask_status", pa.string()),
        # ``ok``, or ``what=reason`` pairs joined by ``;``: why cells of this row are null.
        ("score_status", pa.string()),
    ]
)

FLAGS = pa.schema(
    [
        *_ROW,
        ("reason", pa.string()),
        # What was measured, what its class shows, and how far apart in the class's own spread.
        ("value", pa.float32()),
        ("class_median", pa.float32()),
        ("class_spread", pa.float32()),
        ("distance", pa.float32()),
        # 1 is the most suspicious of its class and reason.
        ("rank", pa.int32()),
    ]
)
