"""The pairs of a cue that is put on photos (a stamp): each against the photo as it is.

Three arms: plain, stamped, scrambled. The verdict is stamped against plain; scrambled against
plain only tells whether the stamp's shape counts or any such patch there would do.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from xai_audit.evidence.donors import confusable
from xai_audit.evidence.pairs import by_class_in_turn
from xai_audit.evidence.plan import OTHERS, Cell, Pair
from xai_audit.language import tell
from xai_audit.schema import PULL, RELIANCE, SCRAMBLED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xai_audit.evidence.plan import Roster

# So many times the pairs of another cell on other classes' photos: the classes that a stamp takes
# over are few of these, and who puts one on asks about this cue alone.
_TIMES = 4
# Pairs of the arms that inform and do not judge: the scrambled one, and the class's own photos.
_INFORM = 16


def added_cell(
    roster: Roster, name: str, cue: str, pools: Mapping[str, Sequence[int]], *, budget: int
) -> Cell:
    """The pairs for class ``name`` and a cue with ``way="added"``.

    A cue leaves a photo as it is where the photo is its own donor, is scrambled for another donor
    of the photo's class, and is put on for a donor of any other class. Photos come from all other
    classes in turn, the most confusable first, so that the mean is that of the other classes.

    Args:
        roster: the photos that were read.
        name: of the class.
        cue: its key.
        pools: class -> places of its usable photos, in the order in which they are spent.
        budget: pairs of any other cell; here four times as many on other classes' photos.
    """
    mine = pools[name]
    others = [other for other in roster.names if other != name and pools[other]]
    others = confusable(roster.confusion.get(name, {}), others)
    if not mine or not others:
        why = tell("it needs a usable photo of this class and one of another")
        return Cell(name, cue, OTHERS, (), (), why)

    def pair(question: str, image: int, donor: int) -> Pair:
        ids = roster.ids
        return Pair(name, cue, question, ids[image], ids[donor], ids[image])

    in_turn = by_class_in_turn([(pools[other], other) for other in others])
    theirs = list(islice(in_turn, _TIMES * budget))
    foreign = pools[others[0]][0]
    pull = [pair(PULL, image, mine[place % len(mine)]) for place, (image, _) in enumerate(theirs)]
    twins = [
        pair(SCRAMBLED, image, next(one for one in pools[other] if one != image))
        for image, other in theirs
        if len(pools[other]) > 1
    ]
    return Cell(
        class_name=name,
        cue=cue,
        measured_on=OTHERS,
        reliance=tuple(pair(RELIANCE, image, foreign) for image in mine[:_INFORM]),
        pull=tuple(pull),
        scrambled=tuple(twins[:_INFORM]),
        wanted=len(pull),
    )
