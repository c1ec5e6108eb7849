"""The typed nodes of the configuration: each key's default and, in its metadata, its limits.

``config.validation`` reads the metadata: ``min`` and ``max``, both allowed; ``above``, not allowed
itself; ``choices``; ``forms`` (how a text is written -> regular expression; in lists beside
``choices``); for lists ``distinct`` (not empty, nothing twice). A plugin's own defaults live
in its YAML under ``conf/``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import MISSING

_PACKAGE = Path(__file__).resolve().parent.parent
# The wheel carries conf/ inside the package; a checkout keeps it at the top level.
CONF_DIR = next(
    (d for d in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if d.is_dir()), _PACKAGE / "conf"
)

# Every stage, in the order in which they run.
STAGES = (
    *("index", "attribute", "score", "trust", "discover", "evidence", "agreement", "boundary"),
    *("adversarial", "augmentation", "flag", "report"),
)
TARGET_KINDS = ("label", "pred", "contrast")
TARGET_FORMS = {"class:NAME": r"class:.+", "top:K": r"top:[1-9]\d*"}
AUGMENTATIONS = ("flip", "crop", "rotate", "colour", "blur", "noise")
# Strengths: shares, and degrees, px or grey levels.
AUGMENTATION_FORMS = {
    "crop:SHARE, colour:SHARE": r"(crop|colour):0?\.\d+",
    "rotate:DEGREES, blur:PX, noise:LEVELS": r"(rotate|blur|noise):\d+(\.\d+)?",
}
LANGUAGES = ("en", "zh")
BUDGET_FORMS = {"seconds, as 60 or 60s, 5m or 1.5h": r"(?=.*[1-9])\d+(\.\d+)?[smh]?"}
PRECISIONS = ("auto", "fp32", "bf16", "fp16")


@dataclass
class ComputeConfig:
    """How the model runs; only ``precision`` can change a row."""

    device: str = "auto"  # cpu, cuda:0, ...; auto: a GPU if there is one.
    # auto: bf16 on GPUs that have it, fp16 on others, fp32 on a CPU.
    precision: str = field(default="auto", metadata={"choices": PRECISIONS})
    # Images in a forward; halved where memory runs out. auto: 128 on a GPU, else 32.
    batch_size: int | str = field(default="auto", metadata={"choices": ("auto",), "min": 1})
    # Processes that decode photos; 0: this one. auto: by the cores of this machine.
    num_workers: int | str = field(default="auto", metadata={"choices": ("auto",), "min": 0})
    deterministic: bool = False  # true: the same bits in every run.
    # Images per part file: the most that is computed again after a kill.
    part_size: int = field(default=256, metadata={"min": 1})


@dataclass
class RegionsConfig:
    """Widths as shares of the shorter side of the photo as stored."""

    border: float = field(default=0.08, metadata={"min": 0, "max": 0.5})  # Of the border's band.
    corner: float = field(default=0.25, metadata={"min": 0, "max": 0.5})  # Of a corner's square.


@dataclass
class TrustConfig:
    """How the maps of each method are checked, and when they are not trusted."""

    # Images that each method is checked on, drawn by seed.
    images: int = field(default=24, metadata={"min": 1})
    # Steps of the insertion and deletion curves.
    steps: int = field(default=16, metadata={"min": 1})
    # Maps are not trusted at or above this rank correlation with the maps of random weights: half
    # of their variance (0.7 squared) then does not come from what the model has learned.
    max_similarity: float = field(default=0.7, metadata={"min": -1, "max": 1})


@dataclass
class EvidenceConfig:
    """How availability, attention and reliance are measured, and which effects count."""

    # Images per class and cue that are transplanted, each twice; of a stamp four times as many.
    images_per_class: int = field(default=32, metadata={"min": 1})
    # Whether the transplants of a cell end as soon as its effect is surely below stop_below.
    sequential: bool = True
    # Transplants of a cell end early once its effect is surely below this; verdicts are judged
    # with min_reliance.
    stop_below: float = field(default=0.2, metadata={"min": 0, "max": 1})
    # Forwards at most that transplants may cost; null: as many as the cells need.
    max_forwards: int | None = field(default=None, metadata={"min": 1})
    # Images per class that are read for availability and attention.
    read_per_class: int = field(default=96, metadata={"min": 1})
    # Smallest change of probability that counts as reliance or pull.
    min_reliance: float = field(default=0.2, metadata={"min": 0, "max": 1})
    # Smallest share of the relevance above the share that is expected.
    min_attention: float = field(default=0.05, metadata={"min": 0, "max": 1})
    # Smallest AUROC of a class from the cue alone.
    min_availability: float = field(default=0.65, metadata={"min": 0.5, "max": 1})
    # False discovery rate over all classes and cues (Benjamini and Hochberg 1995).
    q: float = field(default=0.05, metadata={"min": 0, "max": 1})
    permutations: int = field(default=200, metadata={"min": 1})  # Of the labels, for p-values.


@dataclass
class DiscoverConfig:
    """How heatmaps are clustered (SpRAy, Lapuschkin et al. 2019)."""

    # How heatmaps are clustered.
    algorithm: str = field(default="spectral", metadata={"choices": ("spectral", "hdbscan")})
    neighbours: int = field(default=10, metadata={"min": 1})  # In the graph of heatmaps.
    # Heatmaps per class.
    images: int = field(default=400, metadata={"min": 1})
    max_clusters: int = field(default=8, metadata={"min": 1})  # The most of a class.
    # Usable heatmaps that a class needs to have a strategy.
    min_images: int = field(default=8, metadata={"min": 1})
    min_clustered: int = field(default=20, metadata={"min": 1})  # For more than one strategy.


@dataclass
class AgreementConfig:
    """Whose heatmaps are compared between methods."""

    # Images per class, the same draw as discover's.
    images: int = field(default=400, metadata={"min": 1})


@dataclass
class BoundaryConfig:
    """How many pairs of confused classes are compared."""

    # The most confused ones.
    pairs: int = field(default=10, metadata={"min": 1})


@dataclass
class AdversarialConfig:
    """How the smallest changes that flip a decision are searched."""

    # Images in all, a sample stratified by class; 0 searches none.
    images: int = field(default=16, metadata={"min": 0, "max": 1_000_000})
    # Steps of PGD per budget.
    steps: int = field(default=10, metadata={"min": 1})
    # Largest budget, grey levels of 255.
    max_epsilon: float = field(default=8.0, metadata={"min": 0.1, "max": 255})


@dataclass
class AugmentationConfig:
    """How photos are changed to see whether decisions and heatmaps change with them."""

    # Images in all, a sample stratified by class, each once a change and twice besides; 0: none.
    images: int = field(default=32, metadata={"min": 0, "max": 1_000_000})
    # Changes, also with a strength of one's own: crop:0.1 (share of each side that is cut off),
    # rotate:30 (degrees), colour:0.2 (largest change of brightness, contrast and saturation),
    # blur:1 (px of a view of 224) and noise:8 (grey levels), both standard deviations.
    names: list[str] = field(
        default_factory=lambda: list(AUGMENTATIONS),
        metadata={"distinct": True, "choices": AUGMENTATIONS, "forms": AUGMENTATION_FORMS},
    )


@dataclass
class StampConfig:
    """Something that the user suspects, to be put on photos: an image or a text."""

    image: str | None = None  # A file, also with transparency.
    text: str | None = None  # Drawn where no image is given.
    # A corner, centre, or [y, x] as shares of the photo.
    where: Any = "bottom_right"
    # Longer side as a share of the photo's shorter side.
    size: float = field(default=0.25, metadata={"above": 0, "max": 1})
    opacity: float = field(default=1.0, metadata={"above": 0, "max": 1})  # 1 hides what is below.


@dataclass
class FlagsConfig:
    """When an image is suspicious compared with its own class."""

    # Robust z, the outlier limit of Iglewicz and Hoaglin 1993.
    z: float = field(default=3.5, metadata={"min": 0})
    # Share of the relevance; smaller differences are not worth a look.
    min_excess: float = field(default=0.1, metadata={"min": 0, "max": 1})


@dataclass
class StoreConfig:
    """How what lies at addresses (``s3://bucket/photos``) is read, and results are written."""

    # Folder of this machine for what was read, shared by all processes; null: a folder of the
    # user's in the system's temporary folder.
    cache: str | None = None
    # Most that it holds, in 10^9 bytes; 0 keeps nothing. An audit reads a photo several times.
    cache_gb: float = field(default=2.0, metadata={"min": 0})
    # Seconds without an answer after which a request has failed.
    timeout: float = field(default=10.0, metadata={"above": 0, "max": 3600})
    # Further attempts after a request that failed, with growing pauses.
    retries: int = field(default=4, metadata={"min": 0, "max": 20})
    # Folder of this machine for the copy of a run whose output_dir is an address; null: a folder
    # of the user's in the system's temporary folder.
    scratch: str | None = None


@dataclass
class ReportConfig:
    """What the report shows, and how large."""

    # Images per class and reason.
    per_reason: int = field(default=12, metadata={"min": 1})
    # Shorter side of a photo in the galleries, px.
    tile: int = field(default=320, metadata={"min": 1})
    # Photos with a picture on the page that explores all of them; the others have their numbers.
    explore_images: int = field(default=2000, metadata={"min": 0})
    # Whether the page, and the command in run.json, has ~ for home folders and *** for tokens;
    # the configuration in run.json keeps both.
    redact: bool = True
    # Whether the page is also one file to send, self_contained.html, with pictures up to 20 MB.
    self_contained: bool = False
    # Of its words: English, or simplified Chinese; tables and summary.json stay English.
    language: str = field(default="en", metadata={"choices": LANGUAGES})


@dataclass
class GateConfig:
    """What has to hold, else the exit code is 3; ``xai-audit gate DIR`` asks finished runs."""

    # Most confirmed findings.
    max_confirmed: int | None = field(default=None, metadata={"min": 0})
    # Most reliance of any class on a cue, by cue: gate.max_reliance.border=0.2.
    max_reliance: dict[str, float] = field(default_factory=dict, metadata={"min": 0, "max": 1})
    # Least accuracy of the model on the photos as they are.
    min_accuracy: float | None = field(default=None, metadata={"min": 0, "max": 1})
    # Least accuracy by the object alone, its surroundings from other classes.
    min_core_accuracy: float | None = field(default=None, metadata={"min": 0, "max": 1})
    # Most undetermined cells, as a share of all; max_confirmed then passes in spite of these.
    max_undetermined: float | None = field(default=None, metadata={"min": 0, "max": 1})
    # Output folder of an earlier audit, or its address: no confirmed cell or accuracy may be worse.
    no_worse_than: str | None = None
    # Cells of the file ``accepted`` that no rule counts, as [daisy/background]; null: all of them.
    allow: list[str] | None = None
    # YAML file of accepted cells: cell, reason, by, until; null: accepted.yaml of the current
    # folder, where there is one.
    accepted: str | None = None
    # error: exit code 3; warn: the same lines, exit code 0.
    level: str = field(default="error", metadata={"choices": ("error", "warn")})
    # Whether a rule fails whose quantity was not measured; else it is not applicable.
    fail_if_not_run: bool = True
    # Rules that may stay without an answer, for too few photos; null: any number.
    max_cannot_tell: int | None = field(default=0, metadata={"min": 0})
    # Rules that may be about nothing in this run; null: any number.
    max_not_applicable: int | None = field(default=None, metadata={"min": 0})


@dataclass
class AuditConfig:
    """Every key of the command line; the groups hold a plugin's own keys."""

    dataset: Any = MISSING  # The photos and their classes.
    masks: Any = MISSING  # Where the object is in each photo.
    model: Any = MISSING  # The classifier that is audited.
    method: Any = MISSING  # The attribution method.
    engine: Any = MISSING  # Where the work is done.
    # Method names; null: the one of ``method``.
    methods: list[str] | None = field(default=None, metadata={"distinct": True})
    # Method name -> keys of it that differ: method_args.lime.samples=200.
    method_args: dict[str, Any] = field(default_factory=dict)
    # Candidate shortcuts: names or import paths; null: all that the data allows.
    cues: list[str] | None = None
    # Takes the node of one cue at a time; set ``cues`` instead.
    cue: Any = None
    # What is explained: the true class, the predicted one, the margin to the strongest other class.
    targets: list[str] = field(
        default_factory=lambda: ["label", "contrast"],
        metadata={"distinct": True, "choices": TARGET_KINDS, "forms": TARGET_FORMS},
    )
    # Of photos with several labels: the probability from which on a photo is decided for a class;
    # one number, {class: number}, or a JSON or YAML file of that. Others have 0.5.
    thresholds: Any = 0.5
    # What is done, in this order.
    stages: list[str] = field(
        default_factory=lambda: list(STAGES), metadata={"distinct": True, "choices": STAGES}
    )
    regions: RegionsConfig = field(default_factory=RegionsConfig)
    trust: TrustConfig = field(default_factory=TrustConfig)
    evidence: EvidenceConfig = field(default_factory=EvidenceConfig)
    discover: DiscoverConfig = field(default_factory=DiscoverConfig)
    agreement: AgreementConfig = field(default_factory=AgreementConfig)
    boundary: BoundaryConfig = field(default_factory=BoundaryConfig)
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    stamp: StampConfig = field(default_factory=StampConfig)
    flags: FlagsConfig = field(default_factory=FlagsConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    # i/n: this process makes the i-th share of the planned parts, and nothing else.
    shard: str | None = None
    limit: int | None = field(default=None, metadata={"min": 1})  # Photos of a stratified sample.
    # Time for an answer, as 60s, 5m or 1.5h: so many photos and transplants as it pays for; the
    # same command again goes on from there. null: all of them.
    budget: str | None = field(default=None, metadata={"forms": BUDGET_FORMS})
    # Time for a first report, where the audit of a new folder takes far longer: 60s; null: none.
    first_look: str | None = field(default=None, metadata={"forms": BUDGET_FORMS})
    seed: int = field(default=0, metadata={"min": 0})  # Of all that is drawn at random.
    # Protects against decompression bombs: no photo above this is decoded.
    max_pixels: int = field(default=250_000_000, metadata={"min": 1})
    # Bits that grey photos use of the 16 in which they are stored: 12 for many cameras, whose white
    # is 4095; auto: by the largest number in a sample of the dataset.
    bits: int | str = field(default="auto", metadata={"choices": ("auto",), "min": 8, "max": 16})
    # Share of the photos that may fail; above it the exit code is 4.
    max_failed_fraction: float = field(default=0.05, metadata={"min": 0, "max": 1})
    # Where results go; null: outputs/<dataset>/<model>/<method>. The same command again resumes.
    output_dir: str | None = None
    progress: bool | None = None  # A bar, or log lines; null: a bar in a terminal.
