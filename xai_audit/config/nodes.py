"""The typed nodes of the configuration and their validation.

Defaults of these nodes live here; a plugin's defaults live in its YAML under ``conf/``.
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

# What runs, in this order.
STAGES = (
    *("index", "attribute", "score", "trust", "discover", "evidence", "agreement", "boundary"),
    *("adversarial", "flag", "report"),
)
TARGET_KINDS = ("label", "pred", "contrast")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")


@dataclass
class ComputeConfig:
    """How the model runs; none of it changes a row, except ``precision``."""

    device: str = "auto"
    precision: str = "auto"
    batch_size: int | str = "auto"
    num_workers: int | str = "auto"
    deterministic: bool = False
    # Images a part file: what a kill can cost, and what a shard hands out.
    part_size: int = 256


@dataclass
class RegionsConfig:
    """Widths as shares of the shorter side of the photo as stored."""

    border: float = 0.08
    corner: float = 0.25


@dataclass
class TrustConfig:
    """How the maps of each method are checked, and when they are not to be trusted."""

    # Images that each method is checked on, drawn by seed.
    images: int = 24
    # Steps of the insertion and deletion curves.
    steps: int = 16
    # Rank correlation of maps with those of random weights from which on they are not trusted:
    # half of what they say (0.7 squared) is then said without the model.
    max_similarity: float = 0.7


@dataclass
class EvidenceConfig:
    """How the three questions are asked, and which effects count."""

    # Images a class and cue that are transplanted, each twice.
    images_per_class: int = 32
    # Whether the transplants of a cell end as soon as its effect is surely below stop_below.
    sequential: bool = True
    # Transplants of a cell end early once its effect is surely below this; verdicts are judged
    # with min_reliance.
    stop_below: float = 0.2
    # Images a class that are read for availability and attention.
    read_per_class: int = 96
    # Smallest change of probability that counts as reliance or pull.
    min_reliance: float = 0.2
    # Smallest share of the relevance beyond what is expected.
    min_attention: float = 0.05
    # Smallest AUROC of a class from the cue alone.
    min_availability: float = 0.65
    # False discovery rate over all classes and cues (Benjamini and Hochberg 1995).
    q: float = 0.05
    permutations: int = 200


@dataclass
class DiscoverConfig:
    """How heatmaps are clustered (SpRAy, Lapuschkin et al. 2019)."""

    # spectral or hdbscan
    algorithm: str = "spectral"
    neighbours: int = 10
    # Heatmaps a class.
    images: int = 400
    max_clusters: int = 8
    min_images: int = 20


@dataclass
class AgreementConfig:
    """Whose heatmaps are compared between methods."""

    # Images a class, the same draw as discover's.
    images: int = 400


@dataclass
class BoundaryConfig:
    """How many pairs of classes are told apart."""

    # The most confused ones.
    pairs: int = 10


@dataclass
class AdversarialConfig:
    """How the smallest changes that flip a decision are searched."""

    # Images in all, a sample stratified by class; 0 searches none.
    images: int = 32
    # Of PGD, a budget.
    steps: int = 10
    # Largest budget, grey levels of 255.
    max_epsilon: float = 8.0


@dataclass
class StampConfig:
    """Something that the user suspects, to be put on photos: an image or a text."""

    image: str | None = None
    text: str | None = None
    # A corner, centre, or [y, x] as shares of the photo.
    where: Any = "bottom_right"
    # Longer side as a share of the photo's shorter side.
    size: float = 0.25
    opacity: float = 1.0


@dataclass
class FlagsConfig:
    """When an image is suspicious against its own class."""

    # Robust z, the outlier limit of Iglewicz and Hoaglin 1993.
    z: float = 3.5
    # Share of the relevance; smaller differences are not worth a look.
    min_excess: float = 0.1


@dataclass
class ReportConfig:
    """What the galleries show."""

    # Images a class and reason.
    per_reason: int = 12
    # Shorter side of a photo in the galleries, px.
    tile: int = 320


@dataclass
class AuditConfig:
    """Every key of the command line; the groups hold a plugin's own keys."""

    dataset: Any = MISSING
    masks: Any = MISSING
    model: Any = MISSING
    method: Any = MISSING
    engine: Any = MISSING
    # Method names; null: the one of ``method``.
    methods: list[str] | None = None
    # Candidate shortcuts: names or import paths; null: all that the data allows.
    cues: list[str] | None = None
    # Takes the node of one cue at a time; set ``cues`` instead.
    cue: Any = None
    targets: list[str] = field(default_factory=lambda: ["label", "contrast"])
    stages: list[str] = field(default_factory=lambda: list(STAGES))
    regions: RegionsConfig = field(default_factory=RegionsConfig)
    trust: TrustConfig = field(default_factory=TrustConfig)
    evidence: EvidenceConfig = field(default_factory=EvidenceConfig)
    discover: DiscoverConfig = field(default_factory=DiscoverConfig)
    agreement: AgreementConfig = field(default_factory=AgreementConfig)
    boundary: BoundaryConfig = field(default_factory=BoundaryConfig)
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)
    stamp: StampConfig = field(default_factory=StampConfig)
    flags: FlagsConfig = field(default_factory=FlagsConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    limit: int | None = None
    seed: int = 0
    # Decompression bombs: no photo above this is decoded.
    max_pixels: int = 250_000_000
    max_failed_fraction: float = 0.05
    output_dir: str | None = None
    progress: bool | None = None
