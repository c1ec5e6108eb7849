"""Photos that are left out for a cue because it fails on them: counted, named, and logged once.

A cue that fails on one photo must not end an audit of thousands. Only a cue of the user's that
fails on every photo that it is asked about in a part ends it: that is a mistake in the cue.
"""

from __future__ import annotations

import json
import logging
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from xai_audit.errors import CueProblem, PluginError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from xai_audit.types import Cue

log = logging.getLogger(__name__)

# The note of a part that holds what was left out.
NOTE = "left_out"
_OURS = "xai_audit."


@dataclass(frozen=True)
class LeftOut:
    """What is left out for one cue.

    Attributes:
        count: of photos or pairs.
        where: ids of the first.
        reason: why the cue failed there.
    """

    count: int
    where: str
    reason: str


def counted(problems: Iterable[CueProblem]) -> dict[str, LeftOut]:
    """Cue -> what is left out for it, the first of ``problems`` named."""
    return _summed((p.cue, LeftOut(1, p.where, p.reason)) for p in problems)


def note(problems: Iterable[CueProblem]) -> dict[str, str]:
    """``problems`` as a note of a part; none where there is none."""
    found = {cue: astuple(one) for cue, one in counted(problems).items()}
    return {NOTE: json.dumps(found)} if found else {}


def noted(notes: Iterable[Mapping[str, str]]) -> dict[str, LeftOut]:
    """What the notes of all parts say."""
    parts = (json.loads(each.get(NOTE, "{}")) for each in notes)
    return _summed((cue, LeftOut(*one)) for part in parts for cue, one in part.items())


def _summed(found: Iterable[tuple[str, LeftOut]]) -> dict[str, LeftOut]:
    total: dict[str, LeftOut] = {}
    for cue, one in found:
        first = total.get(cue, LeftOut(0, one.where, one.reason))
        total[cue] = LeftOut(first.count + one.count, first.where, first.reason)
    return total


def warn(found: Mapping[str, LeftOut], what: str) -> None:
    """One warning a cue; ``what`` is left out: photos, pairs."""
    for cue, one in found.items():
        log.warning(
            "cue %s failed on %d %s, left out for it; the first: %s | got %s",
            *(cue, one.count, what if one.count != 1 else what.removesuffix("s")),
            *(one.where, one.reason),
        )


def stop_if_broken(cue: Cue, images: Collection[str], problems: Collection[CueProblem]) -> None:
    """Refuse a cue of the user's that fails everywhere.

    Args:
        cue: that was asked.
        images: the photos of one part, once for each time that it was asked. A single photo is no
            evidence against a cue.
        problems: one for each time that it failed.

    Raises:
        PluginError: it failed every time, on several photos.
    """
    if type(cue).__module__.startswith(_OURS) or len({*images}) < 2:
        return
    if len(problems) >= len(images):
        first = next(iter(problems))
        raise PluginError(f"cue {first.cue} failed", where=first.where, got=first.reason)
