"""Which parts are made again after a worker has ended on them, and which are set aside."""

from __future__ import annotations

from collections import Counter

from xai_audit.errors import PoisonError

DEATHS = 2  # of workers on one part, from which on it is set aside
STARTS = 3  # workers in a row that end before they are ready: then none will be


class Deaths:
    """The workers that ended while they made parts of one stage.

    Args:
        stage: its name.
        most: deaths on one part from which on it is set aside.
    """

    def __init__(self, stage: str, *, most: int) -> None:
        self._stage, self._most = stage, most
        self._counts: Counter[int] = Counter()
        self._poison: dict[int, str] = {}

    def is_worth_another(self, number: int, ended: str) -> bool:
        """Whether part ``number``, on which a worker just ended, is to be made by another.

        Args:
            number: of the part.
            ended: how the worker did, for the error.
        """
        self._counts[number] += 1
        if self._counts[number] < self._most:
            return True
        self._poison[number] = ended
        return False

    def check(self) -> None:
        """Raise PoisonError where parts were set aside; for when all others are made."""
        if self._poison:
            raise PoisonError(self._stage, self._poison)
