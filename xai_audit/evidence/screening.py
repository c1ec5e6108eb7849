"""The three rounds of :mod:`~xai_audit.evidence.carriers` measured, and the tables they make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from xai_audit.evidence.carriers import Change, carriers, rare
from xai_audit.evidence.columns import CARRIED
from xai_audit.evidence.plan import shown
from xai_audit.evidence.rounds import every_donor, first_pairs, fresh_pairs
from xai_audit.evidence.shared import shared_clusters
from xai_audit.schema import CARRIER_PULL, CARRIER_RELIANCE, CARRIERS, SCREENING
from xai_audit.statistics.clusters import MIN_CLUSTERS, count
from xai_audit.statistics.estimate import paired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from xai_audit.evidence.carriers import Carriers
    from xai_audit.evidence.plan import Pair
    from xai_audit.evidence.rounds import Screen
    from xai_audit.evidence.transplant import Row, Transplanter


@dataclass
class Screened:
    """What the rounds showed of one cell.

    Attributes:
        screen: of the cell.
        rows: every measured pair with its row of TRANSPLANTS.
        carriers: who carries the cue; None where the first round showed nothing.
    """

    screen: Screen
    rows: list[tuple[Pair, Row]] = field(default_factory=list)
    carriers: Carriers | None = None

    def changes(self, question: str) -> dict[Pair, Change]:
        """Pair -> its change, of one question; pairs that failed are left out."""
        return {
            pair: Change(*(row[f"{of}_with"] - row[f"{of}_without"] for of in ("p", "log_odds")))
            for pair, row in self.rows
            if row["p_with"] is not None and question == pair.question
        }


def screened(
    transplanter: Transplanter,
    screens: Sequence[Screen],
    *,
    typical: Mapping[tuple[str, str], float],
    limit: float,
    progress: Callable[[int], None],
) -> list[Screened]:
    """What the rounds show of each of ``screens``, in their order.

    Args:
        transplanter: the model.
        screens: of some cells; they share decoded photos.
        typical: (class, key of its cue) -> the largest effect of its typical photos, as reliance,
            pull and whole show it; absent unknown.
        limit: a change of probability that counts.
        progress: called with the number of transplanted photos just measured.
    """
    found = [Screened(screen) for screen in screens]

    def measure(pairs: Sequence[Sequence[Pair]]) -> None:
        of = {pair: one for one, each in zip(found, pairs, strict=True) for pair in each}
        for pair, row in transplanter.run(list(of)):
            of[pair].rows.append((pair, row))
            progress(2)

    measure([first_pairs(one.screen) for one in found])
    wanted = [every_donor(one.screen, one.changes(SCREENING), limit=limit) for one in found]
    measure(wanted)
    for one, every in zip(found, wanted, strict=True):
        if every:
            effect = typical.get((one.screen.class_name, one.screen.cue), np.nan)
            one.carriers = rare(carriers(one.changes(SCREENING), limit=limit), effect, limit)
    measure(
        [
            fresh_pairs(one.screen, one.changes(SCREENING), one.carriers) if one.carriers else []
            for one in found
        ]
    )
    return found


def carried_table(found: Sequence[Screened], *, clusters: Mapping[str, int], seed: int) -> pa.Table:
    """The rows of CARRIED, a cell each.

    The share's interval is Wilson's (1927).

    Args:
        found: of the cells of a class.
        clusters: image id -> number of its cluster.
        seed: of the sign flips.
    """
    rows = [_carried(one, clusters, seed) for one in found]
    return pa.Table.from_pylist(rows, schema=CARRIED)


def carriers_table(
    found: Sequence[Screened], presence: Mapping[str, Mapping[str, float]]
) -> pa.Table:
    """The rows of CARRIERS, the largest change of log-odds of a cell first.

    Args:
        found: of the cells of a class.
        presence: key of a cue -> image id -> presence.
    """
    rows = [
        {
            "class_name": one.screen.class_name,
            "cue": shown(one.screen.cue),
            "image_id": image_id,
            "presence": _known(presence.get(one.screen.cue, {}).get(image_id, np.nan)),
            "effect": one.carriers.effects[image_id],
            "sure": sure,
        }
        for one in found
        if one.carriers
        for image_id, sure in one.carriers.sure.items()
    ]
    return pa.Table.from_pylist(rows, schema=CARRIERS)


def _carried(one: Screened, clusters: Mapping[str, int], seed: int) -> dict[str, Any]:
    numbers: dict[str, float] = {}
    for name in (CARRIER_PULL, CARRIER_RELIANCE):
        changes = one.changes(name)
        estimate = paired(
            np.array([change.p for change in changes.values()]),
            seed=seed,
            clusters=_drawn(changes, clusters),
        )
        ends = {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        numbers |= ends | ({f"{name}_p": estimate.p} if name == CARRIER_PULL else {})
    donors, carrying = _counts(one.carriers)
    if carrying:  # donors that differ by degree leave the share unknown
        from scipy.stats import binomtest  # 0.7 s; planning imports what is above

        interval = binomtest(carrying, donors).proportion_ci(method="wilson")
        numbers["carrier_share"] = carrying / donors
        numbers["carrier_share_low"], numbers["carrier_share_high"] = interval
    return {
        "class_name": one.screen.class_name,
        "cue": one.screen.cue,
        "n_screened": donors or len({pair.donor_with for pair, _ in one.rows}),
        "n_carriers": carrying,
        "n_carrier_pairs": len(one.changes(CARRIER_PULL)),
        "forwards": 2 * len(one.rows),
        **{name: _known(value) for name, value in numbers.items()},
    }


def _drawn(pairs: Iterable[Pair], clusters: Mapping[str, int]) -> NDArray[np.int64] | None:
    """The clusters of the photos that are changed, for the effect of given carriers.

    The carriers are not drawn: each is listed by its name. Of photos of fewer groups than an
    interval needs the groups are given, too: what is said holds in these.
    """
    found = shared_clusters(((pair.image,) * 3 for pair in pairs), clusters)
    return None if found is None or count(found) < MIN_CLUSTERS else found


def _counts(found: Carriers | None) -> tuple[int, int]:
    """How many donors were told apart, and how many of them carry the cue."""
    return (len(found.effects), len(found.sure)) if found else (0, 0)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
