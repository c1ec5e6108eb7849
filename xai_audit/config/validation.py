"""What values the keys may have, checked before anything is built."""

from __future__ import annotations

import re

from omegaconf import DictConfig, OmegaConf

from xai_audit.config.nodes import PRECISIONS, STAGES, TARGET_KINDS
from xai_audit.errors import ConfigError


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
        ("trust.max_similarity", cfg.trust.max_similarity, -1, 1),
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
        ("trust.images", cfg.trust.images),
        ("trust.steps", cfg.trust.steps),
        ("evidence.images_per_class", cfg.evidence.images_per_class),
        ("evidence.read_per_class", cfg.evidence.read_per_class),
        ("evidence.permutations", cfg.evidence.permutations),
        ("adversarial.steps", cfg.adversarial.steps),
        ("discover.neighbours", cfg.discover.neighbours),
        ("discover.images", cfg.discover.images),
        ("discover.max_clusters", cfg.discover.max_clusters),
        ("discover.min_images", cfg.discover.min_images),
        ("agreement.images", cfg.agreement.images),
        ("boundary.pairs", cfg.boundary.pairs),
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
