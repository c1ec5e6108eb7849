"""The demo's test set on disk: rendered once, in parallel, and believed only when finished."""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
import multiprocessing
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from xai_audit.demo import render, species
from xai_audit.errors import OutputError
from xai_audit.run.unwritten import writing

RENDERER_VERSION = "1"
IMAGES_PER_CLASS = 60

_COMPLETE = "COMPLETE"
_CHUNK = 10
_STALE_SECONDS = 3600.0
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


def generate(root: Path, *, workers: int | None = None, progress: Progress | None = None) -> Path:
    """Return `root` once it holds the test split.

    Written are images/<class>/<class>_000.jpg and masks/<class>/<class>_000.png. A folder with this
    renderer's COMPLETE mark is left as it is, one of another renderer is replaced. The photos are
    rendered into a sibling and renamed: no reader sees half a set, and two processes may race.

    Raises:
        OutputError: `root` holds files that no renderer wrote, or cannot be written.
    """
    if is_complete(root):
        return root
    _refuse_foreign(root)
    with writing(root):
        _render(root, workers, progress)
    return root


def _render(root: Path, workers: int | None, progress: Progress | None) -> None:
    """Put the test split at `root`."""
    root.parent.mkdir(parents=True, exist_ok=True)
    _sweep(root)
    draft = root.parent / f".{root.name}.{secrets.token_hex(6)}.tmp"
    started = time.monotonic()
    try:
        render_split(draft, "test", IMAGES_PER_CLASS, workers=workers, progress=progress)
        _mark_complete(draft)
        _publish(draft, root)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    log.info("demo photos rendered into %s in %.1f s", root, time.monotonic() - started)


def is_complete(root: Path) -> bool:
    """Return whether `root` holds a finished set of this renderer."""
    try:
        return (root / _COMPLETE).read_text(encoding="utf-8").strip() == RENDERER_VERSION
    except (FileNotFoundError, NotADirectoryError):
        return False


def render_split(
    folder: Path,
    split: str,
    per_class: int,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Write `per_class` photos and masks of each class of a split into `folder`, in parallel."""
    for name in species.CLASSES:
        (folder / "images" / name).mkdir(parents=True, exist_ok=True)
        (folder / "masks" / name).mkdir(parents=True, exist_ok=True)
    chunks = [
        (folder, split, name, range(first, min(first + _CHUNK, per_class)))
        for name in species.CLASSES
        for first in range(0, per_class, _CHUNK)
    ]
    done, total = 0, per_class * len(species.CLASSES)
    for written in _run(chunks, workers or _cores()):
        done += written
        if progress is not None:
            progress(done, total)


def _cores() -> int:
    """Return the cores this process may use, which a container may have limited."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _run(chunks: list[tuple[Path, str, str, range]], workers: int) -> Iterator[int]:
    """Yield the number of photos each finished chunk wrote."""
    if workers == 1:
        yield from (_write_chunk(*chunk) for chunk in chunks)
        return
    context = multiprocessing.get_context("spawn")
    with (
        _single_threaded(),
        concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool,
    ):
        waiting = [pool.submit(_write_chunk, *chunk) for chunk in chunks]
        try:
            for finished in concurrent.futures.as_completed(waiting):
                yield finished.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _write_chunk(folder: Path, split: str, name: str, indices: range) -> int:
    """Write the photos and masks of some indices of a class; return how many."""
    for index in indices:
        photo, mask = render.render_photo(name, index, split=split)
        stem = f"{name}_{index:03d}"
        data = render.jpeg_bytes(photo, name, index, split=split)
        (folder / "images" / name / f"{stem}.jpg").write_bytes(data)
        Image.fromarray(mask).save(folder / "masks" / name / f"{stem}.png")
    return len(indices)


@contextlib.contextmanager
def _single_threaded() -> Iterator[None]:
    """Let processes started inside use one thread each: they share the cores already."""
    before = {key: os.environ.get(key) for key in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def _mark_complete(folder: Path) -> None:
    with (folder / _COMPLETE).open("w", encoding="utf-8") as mark:
        mark.write(f"{RENDERER_VERSION}\n")
        mark.flush()
        os.fsync(mark.fileno())


def _publish(draft: Path, root: Path) -> None:
    """Rename the finished draft to `root`; another process's finished set wins if it came first."""
    for _ in range(5):
        try:
            draft.rename(root)
        except OSError:
            if is_complete(root):
                return
            _refuse_foreign(root)
            aside = draft.with_name(f".{root.name}.{secrets.token_hex(6)}.tmp")
            with contextlib.suppress(FileNotFoundError):
                root.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        else:
            return
    raise OutputError(
        "demo folder kept changing while it was written",
        where=root,
        remedy="stop the other process, run again",
    )


def _refuse_foreign(root: Path) -> None:
    """Raise if `root` holds anything that is not an older renderer's finished set."""
    foreign = root.exists() and (not root.is_dir() or any(root.iterdir()))
    if foreign and not (root / _COMPLETE).is_file():
        raise OutputError(
            "demo folder holds files that the demo did not write",
            where=root,
            remedy="name another folder",
        )


def _sweep(root: Path) -> None:
    """Remove drafts that a killed process left beside `root` long ago."""
    for draft in root.parent.glob(f".{root.name}.*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - draft.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(draft, ignore_errors=True)
