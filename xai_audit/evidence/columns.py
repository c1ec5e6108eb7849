"""Columns of the evidence's working tables, which only its own stages read."""

from __future__ import annotations

import pyarrow as pa

from xai_audit.schema import ARMS, CARRIER_PULL, CARRIER_RELIANCE, WHOLE

# The content of one cue in one photo; rows of a photo are together, in the order of CUES.
SURVEY = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("cue", pa.string(), nullable=False),
        # Perceptual hash of the photo.
        pa.field("hash", pa.uint64(), nullable=False),
        # Null where undefined for this photo.
        ("descriptors", pa.list_(pa.float32())),
        # (h, w) on the heatmap's grid, row by row; null for a property, or where unknown.
        ("region", pa.list_(pa.float32())),
        # The region's share of the view, and the level of a property; null where undefined.
        ("area", pa.float64()),
        ("level", pa.float64()),
        # Whether a transplant changes the object too; null of a cue that no object can have.
        ("object_included", pa.bool_()),
        # Why the cue could not be read in this photo; null where it could.
        ("failed", pa.string()),
    ]
)

# The photos of the survey, in its order.
PHOTOS = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("class_name", pa.string(), nullable=False),
        # Near-duplicates share a number.
        pa.field("near_group", pa.int64(), nullable=False),
        # Near-duplicates and photos of one group of the manifest share a number.
        pa.field("cluster", pa.int64(), nullable=False),
        pa.field("correct", pa.bool_(), nullable=False),
    ]
)
# A further column of PHOTOS where photos have several labels, so that class_name is their set: the
# classes for which the photo is wrongly decided, for or not.
WRONG = pa.field("wrong", pa.list_(pa.string()))

CUES = pa.schema(
    [
        pa.field("cue", pa.string(), nullable=False),
        pa.field("way", pa.string(), nullable=False),
        pa.field("needs_mask", pa.bool_(), nullable=False),
    ]
)

# Number of photos of other_class predicted as class_name; those with it second count half.
CONFUSION = pa.schema(
    [
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("other_class", pa.string(), nullable=False),
        pa.field("photos", pa.float64(), nullable=False),
    ]
)

_ESTIMATE = [(name, pa.float64()) for name in ("value", "low", "high", "p")]

AVAILABILITY = pa.schema(
    [
        pa.field("cue", pa.string(), nullable=False),
        pa.field("class_name", pa.string(), nullable=False),
        *_ESTIMATE,
        # Clusters of the class's photos with descriptors.
        ("n_groups", pa.int32()),
        # Accuracy on the class's photos where the cue agrees with the label and where it does not.
        *[(name, pa.float64()) for name in ("accuracy_agree", "accuracy_disagree")],
        *[(name, pa.int32()) for name in ("n_agree", "n_disagree")],
        # Cross-validated scores: of each photo of the class, in the order of the survey; means over
        # the usable photos of each class that the survey has, in the order of the labels.
        *[(name, pa.list_(pa.float64())) for name in ("presence", "likeness")],
    ]
)

ATTENTION = pa.schema(
    [
        *[pa.field(n, pa.string(), nullable=False) for n in ("cue", "class_name", "method")],
        pa.field("target_kind", pa.string(), nullable=False),
        *_ESTIMATE,
        *[(name, pa.float64()) for name in ("mass", "area")],
        # Of each photo of the class, in the order of the survey; null where undefined.
        ("masses", pa.list_(pa.float32())),
    ]
)

# Who carries a cue in one class, and what their cue does; a row for every cell that was screened.
CARRIED = pa.schema(
    [
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("cue", pa.string(), nullable=False),
        *[(name, pa.int32()) for name in ("n_screened", "n_carriers", "n_carrier_pairs")],
        *[(f"carrier_share{end}", pa.float64()) for end in ("", "_low", "_high")],
        *[(f"{CARRIER_PULL}{end}", pa.float64()) for end in ("", "_low", "_high", "_p")],
        *[(f"{CARRIER_RELIANCE}{end}", pa.float64()) for end in ("", "_low", "_high")],
        ("forwards", pa.int32()),
    ]
)

# Reliance and pull of one cell, before any limit.
EFFECTS = pa.schema(
    [
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("cue", pa.string(), nullable=False),
        ("n_images", pa.int32()),
        # Clusters of these images.
        ("n_clusters", pa.int32()),
        ("n_read", pa.int32()),
        ("measured_on", pa.string()),
        ("way", pa.string()),
        ("why", pa.string()),
        ("wanted", pa.int32()),
        # Forwards of the pairs that the budget did not reach.
        ("left_forwards", pa.int32()),
        ("sd", pa.float64()),
        *[
            (f"{question}{end}", pa.float64())
            for question in ("reliance", "pull")
            for end in ("", "_low", "_high", "_p", "_log_odds")
        ],
        *[(name, pa.float64()) for name in ("accuracy_with", "accuracy_without")],
        ("forwards", pa.int32()),
        *[(f"{arm}{end}", pa.float64()) for arm in (*ARMS, WHOLE) for end in ("", "_low", "_high")],
        (f"{WHOLE}_p", pa.float64()),
        ("object_share", pa.float64()),
        ("object_included", pa.bool_()),
    ]
)
