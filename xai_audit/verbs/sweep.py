"""A sweep: each member in a folder of its own, and at the end a line a member and a page of all.

Hydra runs the members, one after the other in this process: ``-m model.checkpoint=a.pth,b.pth``.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser

from xai_audit.store.address import spelled

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

log = logging.getLogger(__name__)

_FLAGS = {"-m", "--multirun"}
# What the folder's own name holds already.
_NAMED = {"dataset", "dataset.name", "model.arch", "model.name", "method", "methods"}


@dataclass
class Member:
    """One audit of a sweep.

    Attributes:
        name: what is swept, as it was given.
        folder: its output folder; None where it has none.
        problem: why it failed, in a line; empty where it did not.
    """

    name: str = ""
    folder: Path | None = None
    problem: str = ""


@dataclass
class Sweep:
    """The members of a sweep, in the order in which they ran.

    Attributes:
        keys: that have several values; none where this is no sweep.
        members: that have ended.
    """

    keys: tuple[str, ...] = ()
    members: list[Member] = field(default_factory=list)

    def member(self, overrides: Sequence[str], *, but: Collection[str] = ()) -> str:
        """What tells one member from the others: ``key=value``, joined by commas.

        Args:
            overrides: of the member, as Hydra gives them.
            but: keys that are left out.
        """
        values = dict(each.lstrip("+~").partition("=")[::2] for each in overrides)
        told = [key for key in self.keys if key not in but and key in values]
        return ",".join(f"{key.rpartition('.')[2]}={values[key]}" for key in told)

    def placed(self, overrides: Sequence[str], output_dir: str | None) -> str:
        """What has to be added to a member's folder; empty where the folder tells it already.

        Args:
            overrides: of the member.
            output_dir: as it was written, not resolved: with ``${...}`` it differs by member.
        """
        if output_dir is None:
            keys = {each.partition("=")[0] for each in overrides}
            # A name of one's own stands in the folder in place of what it is of.
            fixed = {key.partition(".")[0] for key in keys - {*self.keys} if key.endswith(".name")}
            told = {key for key in _NAMED if key.partition(".")[0] not in fixed}
            return self.member(overrides, but=told)
        return "" if "${" in output_dir else self.member(overrides)

    def folders(self) -> tuple[Path, ...]:
        """The output folders of the members so far."""
        return tuple(each.folder.absolute() for each in self.members if each.folder is not None)

    def tell(self) -> None:
        """Log a line a member, and write the page of all beside their folders."""
        if not self.keys:
            return
        for each in self.members:
            log.info("%s: %s", each.name, each.problem or _found(each.folder))
        if folders := self.folders():
            from xai_audit.report.sweep import write_sweep

            page = Path(os.path.commonpath([folder.parent for folder in folders])) / "sweep.html"
            write_sweep(page, {str(each.name): each.folder for each in self.members if each.folder})
            log.info("sweep: %s", spelled(page))


def swept(arguments: Sequence[str]) -> tuple[str, ...]:
    """The keys that have several values on a command line; none where it asks for no sweep.

    Raises:
        HydraException: an override that cannot be read.
    """
    if not _FLAGS & {*arguments}:
        return ()
    given = [each for each in arguments if "=" in each and not each.startswith("-")]
    parsed = OverridesParser.create().parse_overrides(given)
    return tuple(str(each.key_or_group) for each in parsed if each.is_sweep_override())


def _found(folder: Path | None) -> str:
    """What the audit in ``folder`` confirmed, in a line."""
    from xai_audit.report.sweep import confirmed_in
    from xai_audit.run.verdicts import marked

    found = [] if folder is None else confirmed_in(folder)
    if found is None:
        return f"no verdicts in {folder}"
    named = [marked(f"{name} {cue}", made) for name, cue, made in found[:3]]
    more = f" and {len(found) - len(named)} more" * (len(found) > len(named))
    return f"{len(found)} confirmed" + (f": {', '.join(named)}{more}" if named else "")
