"""The typed nodes of the configuration, their validation, and ``build()`` for plugins.

Defaults of these nodes live here; a plugin's defaults live in its YAML under ``conf/``.
"""

from __future__ import annotations

import inspect
import types
import typing
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf

from xai_audit.errors import AuditError, ConfigError

_PACKAGE = Path(__file__).resolve().parent
# The wheel carries conf/ inside the package; a checkout keeps it at the top level.
CONF_DIR = next(
    (d for d in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if d.is_dir()), _PACKAGE / "conf"
)

# What runs, in this order.
STAGES = ("index", "attribute", "score", "flag", "report")
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
    targets: list[str] = field(default_factory=lambda: ["label", "contrast"])
    stages: list[str] = field(default_factory=lambda: list(STAGES))
    regions: RegionsConfig = field(default_factory=RegionsConfig)
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
    _subset("targets", cfg.targets, TARGET_KINDS)
    if cfg.methods is not None:
        _subset("methods", cfg.methods, tuple(cfg.methods))
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
    ):
        if not low <= value <= high:
            raise ConfigError("bad value", where=key, expected=f"{low} to {high}", got=value)
    for key, count in (
        ("limit", 1 if cfg.limit is None else cfg.limit),
        ("compute.part_size", cfg.compute.part_size),
        ("max_pixels", cfg.max_pixels),
        ("report.per_reason", cfg.report.per_reason),
        ("report.tile", cfg.report.tile),
    ):
        if count < 1:
            raise ConfigError("bad value", where=key, expected=">= 1", got=count)


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


def build(group: str, node: DictConfig, **extra: object) -> Any:  # noqa: ANN401 - any plugin
    """The object that the ``_target_`` of ``node`` makes of its keys and ``extra``.

    Every value arrives as a plain Python one, checked against the plugin's own annotations.

    Raises:
        ConfigError: a target that does not exist, a key it does not take, a value of another type.
    """
    given = OmegaConf.to_container(node, resolve=True)
    if not isinstance(given, dict) or "_target_" not in given:
        raise ConfigError("no _target_", where=group, remedy="name the plugin's dotted path")
    keywords = {str(key): value for key, value in given.items()}
    factory = _resolve(group, str(keywords.pop("_target_")))
    _check_types(group, factory, keywords)
    try:
        return factory(**keywords, **extra)
    except AuditError:
        raise
    except TypeError as exc:
        if exc.__traceback__ is not None and exc.__traceback__.tb_next is not None:
            raise  # from inside the plugin: a bug, not a key
        raise ConfigError("the plugin does not take these keys", where=group, got=exc) from exc


def _resolve(group: str, dotted: str) -> Any:  # noqa: ANN401 - any callable
    module, _, name = dotted.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as exc:
        raise ConfigError(
            "no such plugin", where=f"{group}._target_", got=f"{dotted} ({exc})"
        ) from exc


def _check_types(group: str, factory: object, keywords: dict[str, object]) -> None:
    function = factory.__init__ if inspect.isclass(factory) else factory
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError):  # annotations for the type checker only
        return
    for key, value in keywords.items():
        allowed = _plain_types(hints.get(key))
        if allowed and not isinstance(value, allowed):
            names = " or ".join("null" if t is type(None) else t.__name__ for t in allowed)
            raise ConfigError("bad value", where=f"{group}.{key}", expected=names, got=repr(value))


def _plain_types(hint: object) -> tuple[type, ...]:
    """The plain types that ``hint`` admits, () where it admits more than plain ones."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    plain = (bool, int, float, str, type(None))
    if hint is None or not all(option in plain for option in options):
        return ()
    widened = [int] if float in options else []
    return tuple(typing.cast("list[type]", [*options, *widened]))
