"""Whether ``stages=[...]`` can run: what a stage needs is among them, or finished before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from xai_audit.run.paths import RunPaths
    from xai_audit.work.stage import Stage


def check_needs(
    stages: Collection[Stage],
    requested: Collection[str],
    paths: RunPaths,
    lacks: Callable[[str], bool],
) -> None:
    """Raise ConfigError where a stage that one of ``requested`` needs would have no tables.

    Args:
        stages: all of them, in the order in which they run.
        requested: words of ``stages=[...]``.
        paths: of the run.
        lacks: whether the tables of a stage are not up to date.
    """
    groups = {stage.name: stage.group for stage in stages}
    missing: set[str] = set()
    by = ""
    for stage in reversed(list(stages)):  # so that what is missing brings in its own needs
        if stage.group not in {*requested, *missing}:
            continue
        lacking = {groups[name] for name in stage.needs if lacks(name)}
        if new := lacking - {*requested, *missing}:
            missing |= new
            by = by or stage.group
    if missing:
        words = list(dict.fromkeys(groups.values()))
        whole = [word for word in words if word in {*requested, *missing}]
        some = [word for word in words if word in missing]
        raise ConfigError(
            f"{by} needs {', '.join(some)}, not finished for this configuration",
            where=paths.root,
            remedy=f"add {' and '.join(some)} to stages: stages=[{','.join(whole)}]",
        )


def taken(
    stages: Collection[Stage], requested: Collection[str], lacks: Callable[[str], bool]
) -> list[str]:
    """The words of stages that are not ``requested`` and whose finished tables those read."""
    groups = {stage.name: stage.group for stage in stages}
    read = {
        groups[name]
        for stage in stages
        if stage.group in requested
        for name in (*stage.needs, *stage.reads)
        if not lacks(name)
    }
    return [word for word in dict.fromkeys(groups.values()) if word in read - {*requested}]
