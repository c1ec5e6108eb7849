"""What programs leave behind among photos, which is neither a class nor a photo."""

from __future__ import annotations

import logging

from xai_audit.data._names import shown

_log = logging.getLogger(__name__)

_CLUTTER = {"__MACOSX", "Thumbs.db", "ehthumbs.db", "desktop.ini", "@eaDir", "$RECYCLE.BIN"}
_NAMED = 5  # of them in the log


def is_clutter(name: str) -> bool:
    """Whether a file or folder is no data of the user's: what programs leave behind.

    Hidden ones (``.ipynb_checkpoints``, ``.DS_Store``, AppleDouble's ``._photo.jpg``), and what
    macOS, Windows and NAS put beside photos.
    """
    return name.startswith(".") or name in _CLUTTER


class Clutter:
    """What is left out of a listing as clutter, to be said once.

    Attributes:
        count: names so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._names: dict[str, None] = {}

    def is_kept(self, name: str) -> bool:
        """Whether ``name`` is data; what is not is counted."""
        if not is_clutter(name):
            return True
        self.count += 1
        if len(self._names) < _NAMED:
            self._names[shown(name)] = None
        return False

    def log(self, where: str) -> None:
        """Log what was left out of the listing of ``where``."""
        if self.count:
            some = ", ".join(self._names)
            _log.info("%s: %d hidden files and folders are left out: %s", where, self.count, some)
