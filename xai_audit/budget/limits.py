"""Which audits a budget and a first look can be of, and what is left of one that they limit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xai_audit.config.nodes import GateConfig
from xai_audit.errors import ConfigError
from xai_audit.store.address import is_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.budget.pace import Reach
    from xai_audit.config.nodes import AuditConfig
    from xai_audit.config.spec import RunSpec

# No verdict needs them, and each is worth minutes.
LEFT_OUT = ("trust", "adversarial", "augmentation")
# Stages without which there are no verdicts.
NEEDED = ("index", "attribute", "score", "evidence")
_LOCAL = ".LocalEngine"


def check_budget(spec: RunSpec) -> None:
    """Refuse a budget of other machines' time, or without verdicts.

    Raises:
        ConfigError: it is.
    """
    settings = spec.settings
    where = f"budget={settings.budget}"
    if settings.shard is not None or not _is_here(settings):
        raise ConfigError(
            "a budget is of this machine's time", where=where, remedy="engine=local and no shard"
        )
    if lacking := [stage for stage in NEEDED if stage not in settings.stages]:
        remedy = f"add {', '.join(lacking)} to stages"
        raise ConfigError("a budget is spent on verdicts", where=where, remedy=remedy)


def can_look(spec: RunSpec) -> bool:
    """Whether all of it is asked of this machine alone, and not of one member of a sweep.

    Nor where the output is in a store: each audit there explains the photos of the last one again.
    """
    own = spec.settings
    whole = {*NEEDED, "report"} <= {*own.stages} and own.shard is None and spec.log_answer
    return whole and _is_here(own) and not is_address(own.output_dir)


def limited(spec: RunSpec, reach: Reach, *, leaving: Sequence[str] = ()) -> RunSpec:
    """``spec`` as far as ``reach`` goes and its user wants, without the stages ``leaving``."""
    own = spec.settings
    photos = min(reach.photos, own.limit or reach.photos)
    forwards = min(reach.forwards, own.evidence.max_forwards or reach.forwards)
    stages = [stage for stage in own.stages if stage not in (*LEFT_OUT, *leaving)]
    evidence = replace(own.evidence, max_forwards=forwards)
    gate = GateConfig() if leaving else own.gate  # which judges once, in the end
    settings = replace(own, limit=photos, stages=stages, evidence=evidence, gate=gate)
    noted = {"limit": photos, "stages": stages}
    noted["evidence"] = spec.config.get("evidence", {}) | {"max_forwards": forwards}
    return replace(spec, settings=settings, config=spec.config | noted)


def _is_here(settings: AuditConfig) -> bool:
    """Whether this machine makes the parts, not others that wait for a plan."""
    engine = settings.engine
    return str(engine["_target_"]).endswith(_LOCAL) and engine.get("workers") != 0
