"""The typed nodes of the configuration and their validation.

Defaults of these nodes live here; a plugin's defaults live in its YAML under ``conf/``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf

from xai_audit.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parent
# The wheel carries conf/ inside the package; a checkout keeps it at the top level.
CONF_DIR = next(
    (d for d in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if d.is_dir()), _PACKAGE / "conf"
)

# What runs, in this order.
STAGES = ("index", "attribute", "score", "discover", "evidence", "adversarial", "flag", "report")
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
class EvidenceConfig:
    """How the three questions are asked, and which effects count."""

    # Images a class and cue that are transplanted, each twice.
    images_per_class: int = 32
    # Whether the transplants of a cell end as soon as its effect is surely below min_reliance.
    sequential: bool = True
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
    evidence: EvidenceConfig = field(default_factory=EvidenceConfig)
    discover: DiscoverConfig = field(default_factory=DiscoverConfig)
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


def validate(cfg: DictConfig) -> None:
    """Raise ConfigError for the first value that is missing or cannot work."""
    for key in sorted(OmegaConf.missing_keys(cfg)):
        raise ConfigError("a value is needed", where=key, remedy=f"{key}=...")
    _subset("stages", cfg.stages, STAGES)
    _targets(cfg.targets)
    if cfg.cues is not None and not len(cfg.cues) and "evidence" in cfg.stages:
        remedy = "cues=null for all, or leave evidence out of stages"
        raise ConfigError("no cue to examine", where="cues", got="[]", remedy=remedy)
    if cfg.methods is not None:
        _subset("methods", cfg.methods, tuple(cfg.methods))
    _one_of("discover.algorithm", cfg.discover.algorithm, ("spectral", "hdbscan"))
    _one_of("compute.precision", cfg.compute.precision, PRECISIONS)
    for key, value in (
        ("compute.batch_size", cfg.compute.batch_size),
        ("compute.num_workers", cfg.compute.num_workers),
    ):
        least = 1 if key.endswith("batch_size") else 0
        if value != "auto" and (not isinstance(value, int) or value < least):
            raise ConfigError("bad value", where=key, expected=f"auto or >= {least}", got=value)
    for key, value, low, high in (
        ("regions.border", cfg.regions.border, 0, 0.5),
        ("regions.corner", cfg.regions.corner, 0, 0.5),
        ("max_failed_fraction", cfg.max_failed_fraction, 0, 1),
        ("flags.min_excess", cfg.flags.min_excess, 0, 1),
        ("evidence.min_reliance", cfg.evidence.min_reliance, 0, 1),
        ("evidence.min_attention", cfg.evidence.min_attention, 0, 1),
        ("evidence.min_availability", cfg.evidence.min_availability, 0.5, 1),
        ("evidence.q", cfg.evidence.q, 0, 1),
        ("adversarial.images", cfg.adversarial.images, 0, 1_000_000),
        ("adversarial.max_epsilon", cfg.adversarial.max_epsilon, 0.1, 255),
    ):
        if not low <= value <= high:
            raise ConfigError("bad value", where=key, expected=f"{low} to {high}", got=value)
    for key, count in (
        ("limit", 1 if cfg.limit is None else cfg.limit),
        ("compute.part_size", cfg.compute.part_size),
        ("max_pixels", cfg.max_pixels),
        ("evidence.images_per_class", cfg.evidence.images_per_class),
        ("evidence.read_per_class", cfg.evidence.read_per_class),
        ("evidence.permutations", cfg.evidence.permutations),
        ("adversarial.steps", cfg.adversarial.steps),
        ("discover.neighbours", cfg.discover.neighbours),
        ("discover.images", cfg.discover.images),
        ("discover.max_clusters", cfg.discover.max_clusters),
        ("discover.min_images", cfg.discover.min_images),
        ("report.per_reason", cfg.report.per_reason),
        ("report.tile", cfg.report.tile),
    ):
        if count < 1:
            raise ConfigError("bad value", where=key, expected=">= 1", got=count)


def _targets(given: list[str]) -> None:
    """Refuse what is none of TARGET_KINDS, ``class:NAME`` or ``top:K``."""
    plain = [name for name in given if not re.fullmatch(r"class:.+|top:[1-9]\d*", str(name))]
    for name in plain:
        if name not in TARGET_KINDS:
            expected = f"one of {', '.join(TARGET_KINDS)}, class:NAME, top:K"
            raise ConfigError("unknown value", where="targets", expected=expected, got=name)
    _subset("targets", given, tuple(given))


def _subset(key: str, given: list[str], allowed: tuple[str, ...]) -> None:
    for name in given:
        _one_of(key, name, allowed)
    if not given:
        raise ConfigError("nothing chosen", where=key, expected=f"some of {', '.join(allowed)}")
    if len(set(given)) != len(given):
        raise ConfigError("named twice", where=key, got=", ".join(given))


def _one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(
            "unknown value", where=key, expected=f"one of {', '.join(allowed)}", got=value
        )
