"""Every column of the tables between methods and between classes, with its Arrow type."""

from __future__ import annotations

import pyarrow as pa

from xai_audit.schema import REGIONS

# Two methods' heatmaps of one image and target; method comes before other_method in the alphabet.
_PAIR = [
    pa.field("method", pa.string(), nullable=False),
    pa.field("other_method", pa.string(), nullable=False),
    pa.field("target_kind", pa.string(), nullable=False),
]

AGREEMENT_IMAGES = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("class_name", pa.string(), nullable=False),
        *_PAIR,
        # Spearman's, of the cells of the coarser grid.
        ("rank_correlation", pa.float32()),
        # 1 less the mean of mass_difference over the regions that both maps define.
        ("mass_agreement", pa.float32()),
        *[(f"mass_difference_{region}", pa.float32()) for region in REGIONS],
        # ``ok``, or why the rank correlation is null.
        pa.field("agreement_status", pa.string(), nullable=False),
    ]
)

# Means over the images of a class; class_name "" holds all classes together.
AGREEMENT = pa.schema(
    [
        pa.field("class_name", pa.string(), nullable=False),
        *_PAIR,
        # Images with a rank correlation, and those without.
        pa.field("n_images", pa.int32(), nullable=False),
        pa.field("n_undefined", pa.int32(), nullable=False),
        *[
            (f"{what}{end}", pa.float32())
            for what in ("rank_correlation", "mass_agreement")
            for end in ("", "_low", "_high")
        ],
        *[(f"mass_difference_{region}", pa.float32()) for region in REGIONS],
    ]
)

# Photos of class_name whose strongest other class is other_class, by their contrast heatmaps.
BOUNDARIES = pa.schema(
    [
        # 1 is the most confused pair of classes; each has two directions.
        pa.field("pair", pa.int32(), nullable=False),
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("other_class", pa.string(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("n_images", pa.int32(), nullable=False),
        # Of them predicted as other_class; without a usable heatmap; other photos of the class.
        pa.field("n_confused", pa.int32(), nullable=False),
        pa.field("n_undefined", pa.int32(), nullable=False),
        pa.field("n_others", pa.int32(), nullable=False),
        ("margin_mean", pa.float32()),
        ("margin_median", pa.float32()),
        # Mean mass of their heatmaps, and that less the mean of the class's other photos'.
        *[(f"mass_{region}", pa.float32()) for region in REGIONS],
        *[(f"excess_{region}", pa.float32()) for region in REGIONS],
        # The region with the largest excess that is no chance, else with the largest; the
        # interval holds for all regions together.
        ("region", pa.string()),
        ("region_excess", pa.float32()),
        ("region_low", pa.float32()),
        ("region_high", pa.float32()),
        # Confirmed and suspected cues of class_name, gravest first; null without evidence.
        ("cues", pa.list_(pa.string())),
        ("verdicts", pa.list_(pa.string())),
        pa.field("because", pa.string(), nullable=False),
        ("mean_map", pa.list_(pa.float32())),
        ("height", pa.int32()),
        ("width", pa.int32()),
        # Nearest to the boundary first, on either side of it.
        ("image_ids", pa.list_(pa.string())),
        ("margins", pa.list_(pa.float32())),
    ]
)
