"""Packages that only some plugins need: missed before anything is computed, not at their stage."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from xai_audit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xai_audit.config.spec import RunSpec

# Plugins that are built, or import their package, after the first stages: _target_ -> what is
# written on the command line, the package, the extra that has it. Others refuse by themselves.
_LATE = {
    "xai_audit.methods.lrp.Lrp": ("method=lrp", "zennit", "lrp"),
    "xai_audit.masks.coco.CocoMasks": ("masks=coco", "pycocotools", "coco"),
    "xai_audit.engines.slurm.SlurmEngine": ("engine=slurm", "submitit", "slurm"),
}
_OF_METHODS, _OF_MASKS = {"attribute", "trust"}, {"score", "discover", "evidence", "report"}


def check_extras(spec: RunSpec) -> None:
    """Raise ConfigError where a package of a plugin that the requested stages use is missing."""
    for node in _used(spec):
        where, package, extra = _LATE.get(str(node.get("_target_")), ("", "", ""))
        if package and not _is_there(package):
            raise ConfigError(
                f"{package} is not installed",
                where=where,
                remedy=f'pip install "xai-audit[{extra}]"',
            )


def _used(spec: RunSpec) -> Iterator[Mapping[str, Any]]:
    """The nodes of the plugins that the requested stages build."""
    stages = {*spec.settings.stages}
    yield spec.settings.engine
    if stages & _OF_METHODS:
        yield from spec.methods
    if stages & (_OF_METHODS | _OF_MASKS):
        yield spec.settings.masks


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False
