"""Every column of every table with its Arrow type, and the version of them all."""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = 2

BANDS = (
    "border",
    "corner_top_left",
    "corner_top_right",
    "corner_bottom_left",
    "corner_bottom_right",
)
REGIONS = ("object", "background", *BANDS)

OK = "ok"
# Where the masks of a run are from, in run.json.
GIVEN, MADE = "given", "made"

# Of photos with several labels a row is of one class. As a label: the photo lacks the class, and is
# decided for it all the same. As a prediction: it is not decided for the class, which it has.
ABSENT = -2

# Of several target kinds the first of these is tabulated: the margin separates classes best
# (DESIGN.md), the prediction says least about the class.
PREFERRED_KINDS = ("contrast", "label", "pred")


def _keys(*names: str) -> list[pa.Field]:
    """Text columns without nulls."""
    return [pa.field(name, pa.string(), nullable=False) for name in names]


def _fields(kind: pa.DataType, *names: str) -> list[pa.Field]:
    """Columns of one type that may have nulls."""
    return [pa.field(name, kind) for name in names]


def _estimates(*names: str) -> list[pa.Field]:
    """Columns of estimates, each with the ends of its 95 % interval."""
    return _fields(
        pa.float32(), *(f"{name}{end}" for name in names for end in ("", "_low", "_high"))
    )


MANIFEST = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        # The file system's own bytes where they are not UTF-8; image_id then shows them escaped.
        ("raw_path", pa.binary()),
        ("class_name", pa.string()),
        ("label", pa.int32()),
        *_fields(pa.string(), "split", "group"),
        pa.field("status", pa.string(), nullable=False),
        ("error", pa.string()),
        # False: left out by ``limit`` or by its status.
        pa.field("selected", pa.bool_(), nullable=False),
        *_fields(pa.string(), "format", "mode"),
        *_fields(pa.int32(), "width", "height"),
        ("orientation", pa.int8()),
        ("frames", pa.int32()),
        *_fields(pa.int64(), "file_bytes", "mtime_ns"),
        ("mask", pa.string()),
    ]
)

# Photos that were listed as usable but could not be decoded, with the status that replaces ``ok``.
STATUSES = pa.schema(
    [
        *_keys("image_id", "status"),
        ("error", pa.string()),
    ]
)

# What the index stage lists before it looks into the files.
LISTING = pa.schema(
    [
        pa.field("path", pa.binary(), nullable=False),
        ("mask", pa.binary()),
        *_fields(pa.string(), "class_name", "split", "group", "status", "error"),
        *_fields(pa.int64(), "file_bytes", "mtime_ns"),
    ]
)

# What a network made of a photo where no masks are given.
MASKS = pa.schema(
    [
        *_keys("image_id", "status"),
        ("error", pa.string()),
        # A PNG of one bit, white on the object, of the photo's own size; null where not ok.
        ("mask", pa.binary()),
    ]
)

# What every row of attributions, scores and flags starts with.
_ROW = [
    pa.field("image_id", pa.string(), nullable=False),
    ("class_name", pa.string()),
    *_fields(pa.int32(), "label", "pred"),
    ("confidence", pa.float32()),
    *_fields(pa.string(), "method", "target_kind"),
    *_fields(pa.int32(), "target", "against"),
]

ATTRIBUTIONS = pa.schema(
    [
        *_ROW,
        ("target_score", pa.float32()),
        # Sum of the attribution minus the change of score it explains; null where not promised.
        ("completeness_error", pa.float32()),
        # relevance = heatmap * heatmap_scale; the scale is a power of two, so nothing is rounded
        # twice and a faint map does not vanish in float16.
        ("heatmap", pa.list_(pa.float16())),
        *_fields(pa.int32(), "heatmap_height", "heatmap_width"),
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
        *_fields(pa.float32(), "entropy", "peak_y", "peak_x"),
        ("mask_status", pa.string()),
        # ``ok``, or ``what=reason`` pairs joined by ``;``: why cells of this row are null.
        ("score_status", pa.string()),
    ]
)

FLAGS = pa.schema(
    [
        *_ROW,
        ("reason", pa.string()),
        # The image's value, its class's typical value, and their distance in the class's spread.
        *_fields(pa.float32(), "value", "class_median", "class_spread", "distance"),
        # 1 is the most suspicious of its class and reason.
        ("rank", pa.int32()),
    ]
)

# Checks of the maps. Insertion and ROAD are high where maps are good, all others low.
TRUST_MEASURES = (
    # Size of Spearman's rank correlation with the maps of the same model, its last layer, its upper
    # half and all of its layers drawn anew.
    "similarity_head",
    "similarity_half",
    "similarity_all",
    # Areas under the curves of the class's probability, 0..1.
    "insertion",
    "deletion",
    # -0.5..0.5; 0 is what a random order gives on average.
    "road",
    # Share of the squared changes of score that the map does not predict.
    "infidelity",
    # How far tiny noise moves a map, in units of the map's own size.
    "sensitivity",
    # |sum of the attribution - the change of score that it should be|; null where not promised.
    "completeness_error",
)
# The method name of maps of random noise: the values that the measures give for meaningless maps.
RANDOM = "random"

TRUST = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        ("class_name", pa.string()),
        pa.field("method", pa.string(), nullable=False),
        ("target_kind", pa.string()),
        # The number of the draw of random weights with which its similarities were measured.
        ("draw", pa.int32()),
        # ``ok``, ``flat`` or ``not_finite`` of a map without an order, or the photo's own problem.
        pa.field("status", pa.string(), nullable=False),
        *[(measure, pa.float64()) for measure in TRUST_MEASURES],
    ]
)

METHODS = pa.schema(
    [
        pa.field("method", pa.string(), nullable=False),
        ("target_kind", pa.string()),
        ("n_images", pa.int32()),
        # Whether the maps change with the weights; null where too few images were measured.
        ("trusted", pa.bool_()),
        pa.field("because", pa.string(), nullable=False),
        *[
            (f"{measure}{end}", pa.float64())
            for measure in TRUST_MEASURES
            for end in ("", "_low", "_high")
        ],
    ]
)

# One transplanted pair: image_id with the cue of a photo of class_name, and with the cue of a
# photo of another class; both are edited in the same way.
TRANSPLANTS = pa.schema(
    [
        *_keys("class_name", "cue"),
        # reliance, carrier_reliance: image_id is of class_name. Others: it is of another class.
        # whole: a pair of reliance or pull with the object changed too.
        pa.field("question", pa.string(), nullable=False),
        # The cue that was put back, to separate two overlapping cues; else null.
        ("given", pa.string()),
        pa.field("image_id", pa.string(), nullable=False),
        *_fields(pa.string(), "image_class", "donor_with", "donor_without", "donor_without_class"),
        # Of class_name: probability and log-odds with its cue and with another class's.
        *_fields(pa.float32(), "p_with", "p_without", "log_odds_with", "log_odds_without"),
        # Whether the prediction is image_id's own class, and whether it is class_name.
        *_fields(pa.bool_(), "correct_with", "correct_without"),
        *_fields(pa.bool_(), "predicted_with", "predicted_without"),
    ]
)

# A discovered region is the cue cluster_<k> of its class.
DISCOVERED = "cluster_"
RELIANCE, PULL, SCRAMBLED = "reliance", "pull", "scrambled"
# Every photo of a class as a donor, to find who carries a cue; then the same of carriers alone.
SCREENING, CARRIER_PULL, CARRIER_RELIANCE = "screening", "carrier_pull", "carrier_reliance"
VICTIM = "victim"  # a carriers' pull on further classes, which only pulls.parquet counts
# What else is measured of a cue that is put on photos.
ARMS = ("own", SCRAMBLED)
# Of a property that an object can have too: the effect of changing the whole photo.
WHOLE = "whole"
# The questions that can show that a decision depends on a cue, the plainest first.
CONFIRMING = (RELIANCE, PULL, WHOLE, CARRIER_PULL)
QUESTIONS = ("availability", "attention", RELIANCE, PULL)
VERDICTS = ("confirmed", "suspected", "available", "clear", "undetermined")

EVIDENCE = pa.schema(
    [
        *_keys("class_name", "cue"),
        ("method", pa.string()),
        # Images with compared transplants; n_read: images read for availability and attention.
        *_fields(pa.int32(), "n_images", "n_read"),
        *[
            field
            for question in QUESTIONS
            # float64: a p-value of 1e-60 is not 0.
            for field in (
                *_estimates(question),
                *_fields(pa.float64(), f"{question}_p", f"{question}_q"),
            )
        ],
        *_keys("verdict", "because"),
        # The cue that explains this one's effect, or null. The question that shows the effect,
        # whether explained or not: the first of CONFIRMING that does; null where none does.
        *[(name, pa.string()) for name in ("explained_by", "question")],
        # own: images of the class lose its cue. others: images of other classes get it.
        ("measured_on", pa.string()),
        *[(f"{question}_log_odds", pa.float32()) for question in (RELIANCE, PULL)],
        # The target kind of the maps that attention is measured on; attention by the label's maps.
        ("attention_kind", pa.string()),
        ("attention_label", pa.float32()),
        # Whether the method's maps change with the model's weights (methods.parquet); where they
        # do not, attention has no q and supports no verdict. Null: not checked.
        ("attention_trusted", pa.bool_()),
        # Mean share of the view that the region takes, and of the relevance that falls there.
        *_fields(pa.float32(), "area", "mass"),
        # Accuracy on the class's images with the cue of their own class and of another.
        *_fields(pa.float32(), "accuracy_with", "accuracy_without"),
        # Accuracy on the class's images where the cue agrees with the label and where it does not.
        *_fields(pa.float32(), "accuracy_agree", "accuracy_disagree"),
        *_fields(pa.int32(), "n_agree", "n_disagree"),
        # Accuracy on the class's images when all but the object comes from other classes.
        ("core_accuracy", pa.float32()),
        ("forwards", pa.int32()),
        # Of a stamp, against the photo as it is: on the class's own photos; scrambled, on others'.
        *_estimates(*ARMS),
        # Photos of the class whose cue alone turns others into it, of those that were tried; the
        # share is null where none was told from the others. Their pull on photos of other classes,
        # and reliance on their own.
        *_fields(pa.int32(), "n_screened", "n_carriers"),
        *_estimates("carrier_share", CARRIER_PULL),
        *_fields(pa.float64(), f"{CARRIER_PULL}_p", f"{CARRIER_PULL}_q"),
        *_estimates(CARRIER_RELIANCE),
        # What the class's photos lose without the cue, what it alone gives to others': reliance on
        # the class's own photos and pull, but the necessity of cues that are each enough alone is
        # that of all of them at once; redundant_with: the others of these, joined by a plus.
        *_estimates("necessity", "sufficiency"),
        ("redundant_with", pa.string()),
        # Of a property that an object can have too (colour): the effect of changing whole photos,
        # the share of it that is gone where the object is left as it is, and whether reliance and
        # pull changed the object as well, for want of masks. Null of every other cue; the share is
        # null where the effect is not surely above 0.
        *_estimates(WHOLE),
        *_fields(pa.float64(), f"{WHOLE}_p", f"{WHOLE}_q"),
        ("object_share", pa.float32()),
        ("object_included", pa.bool_()),
        # Whether it rests on masks that a network made.
        ("masks_made", pa.bool_()),
    ]
)

# The photos of a class that carry a cue.
CARRIERS = pa.schema(
    [
        *_keys("class_name", "cue", "image_id"),
        # How much its cue looks like the class's to the cue-only classifier; null where unknown.
        ("presence", pa.float32()),
        # Mean change of the class's probability where the photo's cue is given to others, and the
        # probability that it is one of the carriers', from the scatter of such changes.
        *_fields(pa.float32(), "effect", "sure"),
    ]
)

# Photos of victim_class that become class_name where they are given its cue (of its carriers).
PULLS = pa.schema(
    [
        *_keys("class_name", "cue", "victim_class"),
        pa.field("n_images", pa.int32(), nullable=False),
        # Share of them whose prediction becomes class_name.
        *_estimates("changed"),
    ]
)

# How much accuracy depends on each cue, over all classes; cue ``all``: every cue at once.
SUMMARY = pa.schema(
    [
        pa.field("cue", pa.string(), nullable=False),
        ("n_images", pa.int32()),
        *[(name, pa.float32()) for name in ("accuracy_with", "accuracy_without")],
        *[(name, pa.float32()) for name in ("gap", "gap_low", "gap_high")],
        ("worst_class", pa.string()),
        ("worst_gap", pa.float32()),
    ]
)

# Accuracy by the dataset's own column ``group``.
GROUPS = pa.schema(
    [
        *[(name, pa.string()) for name in ("class_name", "group")],
        ("n_images", pa.int32()),
        ("accuracy", pa.float32()),
    ]
)

# Of photos with several labels: the decisions for a class, of the photos that have it and of those
# that lack it; a share is null where there is no such photo.
DECISIONS = pa.schema(
    [
        pa.field("class_name", pa.string(), nullable=False),
        ("threshold", pa.float64()),
        *_fields(pa.int64(), "n_with", "n_without", "found", "missed", "false_alarms"),
        *_fields(pa.float64(), "accuracy", "balanced_accuracy"),
        *_fields(pa.float64(), "recall", "specificity", "precision"),
    ]
)

# One row an image and attack: the smallest change found that flips the decision.
ATTACKS = ("fgsm", "pgd", "pgd_l2")
ADVERSARIAL = pa.schema(
    [
        *_ROW[:4],
        *[(name, pa.string()) for name in ("attack", "status", "region_status")],
        # Grey levels of 255: largest change of a value, root mean square and Euclidean norm.
        *[(name, pa.float32()) for name in ("epsilon", "rms", "l2", "change_scale")],
        *[(f"{w}_{r}", pa.float32()) for w in ("energy", "area", "lift") for r in REGIONS],
        *[(name, pa.int32()) for name in ("flipped_to", "change_height", "change_width")],
        # Mean squared change of each cell is change_map * change_scale.
        ("change_map", pa.list_(pa.float16())),
    ]
)

# One row an image and augmentation: the same model on the changed photo, its map carried back. What
# maps are compared by is of the part of the view that both photos show (``seen``, its share).
AUGMENTATION = pa.schema(
    [
        *_ROW[:5],
        pa.field("augmentation", pa.string(), nullable=False),
        # Cut off each side, degrees, largest change of colour, px of 224, grey levels; 1 of flips.
        pa.field("strength", pa.float64(), nullable=False),
        *_fields(pa.string(), "status", "map_status", "method", "target_kind"),
        ("pred_after", pa.int32()),
        ("changed", pa.bool_()),
        # Of ``pred``, under the augmentation.
        ("confidence_after", pa.float32()),
        # Floor: of the photo's own map with noise of one grey level, moved and carried back.
        *_fields(pa.float32(), "seen", "rank_correlation", "rank_correlation_floor"),
        *_fields(pa.float32(), "overlap", "overlap_floor"),
        *[(f"mass_{region}{end}", pa.float32()) for region in REGIONS for end in ("", "_after")],
    ]
)

CLUSTERS = pa.schema(
    [
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("cluster", pa.int32(), nullable=False),
        # cluster_<k> where its region is examined as a cue; null where it repeats the object.
        *_fields(pa.string(), "cue", "method", "target_kind", "algorithm"),
        # object, background, border, corner_..., mixed: where its mean map lies.
        ("kind", pa.string()),
        ("n_images", pa.int32()),
        ("share", pa.float32()),
        # Mean adjusted Rand index of clusterings of subsamples, 0 to 1.
        *_fields(pa.float32(), "stability", "eigengap"),
        *[(f"mass_{region}", pa.float32()) for region in REGIONS],
        ("mean_map", pa.list_(pa.float32())),
        # Cells of the grid that make the region, 0 or 1.
        ("region", pa.list_(pa.uint8())),
        *_fields(pa.int32(), "height", "width"),
        # Of the sampled images; the most typical first.
        ("image_ids", pa.list_(pa.string())),
    ]
)

# Two methods' heatmaps of one image and target; method comes before other_method in the alphabet.
_PAIR = [
    pa.field("method", pa.string(), nullable=False),
    pa.field("other_method", pa.string(), nullable=False),
    pa.field("target_kind", pa.string(), nullable=False),
]

AGREEMENT_IMAGES = pa.schema(
    [
        *_keys("image_id", "class_name"),
        *_PAIR,
        # Spearman's, of the cells of the coarser grid.
        ("rank_correlation", pa.float32()),
        # 1 minus the mean of mass_difference over the regions that both maps define.
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
        *_estimates("rank_correlation", "mass_agreement"),
        *[(f"mass_difference_{region}", pa.float32()) for region in REGIONS],
    ]
)

# Photos of class_name with other_class as the strongest other class, by their contrast heatmaps.
BOUNDARIES = pa.schema(
    [
        # 1 is the most confused pair of classes; each has two directions.
        pa.field("pair", pa.int32(), nullable=False),
        *_keys("class_name", "other_class", "method"),
        pa.field("n_images", pa.int32(), nullable=False),
        # Photos of these: predicted as other_class, without a usable heatmap; the class's others.
        pa.field("n_confused", pa.int32(), nullable=False),
        pa.field("n_undefined", pa.int32(), nullable=False),
        pa.field("n_others", pa.int32(), nullable=False),
        *_fields(pa.float32(), "margin_mean", "margin_median"),
        # Mean mass of their heatmaps, and its difference from the mean of the class's other photos.
        *[(f"mass_{region}", pa.float32()) for region in REGIONS],
        *[(f"excess_{region}", pa.float32()) for region in REGIONS],
        # The region with the largest difference whose interval excludes 0, else with the largest;
        # the interval holds for all regions together.
        ("region", pa.string()),
        *_fields(pa.float32(), "region_excess", "region_low", "region_high"),
        # Confirmed and suspected cues of class_name, gravest first; null without evidence.
        ("cues", pa.list_(pa.string())),
        ("verdicts", pa.list_(pa.string())),
        pa.field("because", pa.string(), nullable=False),
        ("mean_map", pa.list_(pa.float32())),
        *_fields(pa.int32(), "height", "width"),
        # Nearest to the boundary first, on either side of it.
        ("image_ids", pa.list_(pa.string())),
        ("margins", pa.list_(pa.float32())),
    ]
)

# A class and cue in two runs, of which the one that was given first is the reference.
WORDS = ("better", "worse", "appeared", "vanished", "unclear", "no change")
COMPARISON = pa.schema(
    [
        *_keys("run", "class_name", "cue", "word", "because"),
        # The question whose effect is compared; null where none is.
        *_fields(pa.string(), "verdict_reference", "verdict", "question"),
        # Each run's own effects, of all its pairs; the difference, run less reference, is of what
        # both were asked: ``pairs``, ``images`` (with other donors), or all, as ``unpaired``.
        *_estimates("effect_reference", "effect", "difference"),
        *_fields(pa.float64(), "difference_p", "difference_q"),
        ("compared", pa.string()),
        *_fields(pa.int32(), "n_compared", "n_reference", "n_run"),
        ("masks_made", pa.bool_()),  # of either run
    ]
)

# Means over the photos of a class (class_name "": of all): accuracy, core_accuracy, mass_<region>;
# rank_correlation of the two runs' maps of a photo, in ``value``.
MEASURES = pa.schema(
    [
        *_keys("run", "class_name", "measure"),
        *_fields(pa.string(), "method", "compared"),
        ("n_images", pa.int32()),
        *_estimates("reference", "value", "difference"),
    ]
)

# A photo that two runs predict differently.
DISAGREEMENTS = pa.schema(
    [
        *_keys("run", "image_id"),
        *_fields(pa.string(), "class_name", "pred_reference", "pred"),
        *_fields(pa.bool_(), "right_reference", "right"),
        *_fields(pa.float32(), "confidence_reference", "confidence"),
    ]
)
