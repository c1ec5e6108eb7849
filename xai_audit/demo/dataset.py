"""The demo's photos as a dataset plugin."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from xai_audit.demo.generate import RENDERER_VERSION, generate
from xai_audit.run.progress import progress_bar
from xai_audit.run.user_cache import user_cache
from xai_audit.types import Entry
from xai_audit.vision.opening import local

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Where the demo's photos live: the user's cache folder, one per renderer version.

    Raises:
        ConfigError: this user has none.
    """
    return user_cache() / f"flowers-{RENDERER_VERSION}"


class Flowers:
    """Rendered flower photos with exact masks and known planted shortcuts.

    Args:
        name: names the output folder.
        root: where the photos are made; None for the user's cache folder.
        class_to_idx: always None, the shipped classifier's outputs are the sorted classes.
    """

    def __init__(self, *, name: str, root: str | None, class_to_idx: None) -> None:
        self.name, self.class_to_idx = name, class_to_idx
        self._folder = cache_folder() if root is None else Path(root).absolute()
        self.root = self._folder / "images"

    def prepare(self) -> None:
        """Render the photos unless they are there."""
        if (self._folder / "COMPLETE").is_file():
            return
        log.info("rendering the demo's photos into %s, once", self._folder)
        done = 0
        with progress_bar("render", total=None) as progress:

            def show(finished: int, _total: int) -> None:
                nonlocal done
                progress(finished - done)
                done = finished

            generate(self._folder, progress=show)

    def class_names(self) -> tuple[str, ...]:
        """The demo's classes, sorted."""
        return tuple(sorted(path.name for path in self.root.iterdir()))

    def entries(self) -> Iterator[Entry]:
        """Every photo with its mask, sorted."""
        for name in self.class_names():
            for photo in sorted((self.root / name).iterdir()):
                mask = self._folder / "masks" / name / f"{photo.stem}.png"
                yield Entry(f"{name}/{photo.name}", name, str(mask), split="test")

    open = staticmethod(local)
