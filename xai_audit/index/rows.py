"""The manifest's rows: the facts of every photo's header, no pixel decoded, by a few threads."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_audit.data._names import shown
from xai_audit.errors import ImageProblem
from xai_audit.schema import OK
from xai_audit.store.address import spelled
from xai_audit.vision.header import identify, orientation, size, translated
from xai_audit.vision.opening import opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future

    from PIL.ImageFile import ImageFile

    from xai_audit.types import Entry
    from xai_audit.vision.opening import Opener

# Enough to hide a network disk's latency, few enough that memory stays flat.
_AHEAD = 256
_HEADER = ("format", "mode", "width", "height", "orientation", "frames", "file_bytes", "mtime_ns")
# Counting the frames of a GIF or TIFF reads the whole file; a hostile one would take minutes.
_COUNT_FRAMES_UP_TO = 32 * 2**20  # bytes
_MOST_PAGES = 1000
_HASH_LETTERS = 12  # 48 bits: among a million patients two have the same with a chance of 1 in 500


def probe_all(
    entries: Iterable[Entry],
    root: Path,
    *,
    max_pixels: int,
    threads: int,
    opener: Opener | None = None,
) -> Iterator[dict[str, Any]]:
    """One row an entry, whatever happens to it.

    The columns are MANIFEST's without ``label``, ``selected`` and ``mask_status``.
    ``image_id`` is the path relative to ``root``, or absolute where the photo lies elsewhere;
    ``raw_path`` holds the path's bytes where ``image_id`` cannot spell them.

    Args:
        entries: as the dataset lists them.
        root: of the dataset.
        max_pixels: photos above it are ``too_large``.
        threads: that read headers.
        opener: the dataset's; None for local files.
    """
    escaped: set[str] = set()
    with ThreadPoolExecutor(threads, thread_name_prefix="probe") as pool:
        pending: deque[tuple[Entry, Future[dict[str, Any]]]] = deque()
        try:
            for entry in entries:
                pending.append((entry, pool.submit(_examined, entry, root, max_pixels, opener)))
                if len(pending) >= _AHEAD:
                    yield _row(*pending.popleft(), escaped)
            while pending:
                yield _row(*pending.popleft(), escaped)
        finally:
            for _, future in pending:
                future.cancel()


def _row(entry: Entry, examined: Future[dict[str, Any]], escaped: set[str]) -> dict[str, Any]:
    """The row of one entry; ``escaped`` collects the ids that might be met again."""
    image_id = shown(spelled(entry.path).replace(os.sep, "/"))
    if "\\x" in image_id:
        # The byte 0xff and the four letters \xff give the same id.
        plain, number = image_id, 1
        while image_id in escaped:
            number += 1
            image_id = f"{plain}~{number}"
        escaped.add(image_id)
    return {
        "image_id": image_id,
        "raw_path": None if image_id == entry.path else os.fsencode(entry.path),
        "class_name": entry.class_name,
        "split": entry.split,
        "group": entry.group,
        "mask": None if entry.mask is None else shown(spelled(entry.mask)),
        **examined.result(),
    }


def _examined(entry: Entry, root: Path, max_pixels: int, opener: Opener | None) -> dict[str, Any]:
    """Status, error and header of one entry."""
    path = os.fspath(root / entry.path)
    header: dict[str, Any] = dict.fromkeys(_HEADER)
    try:
        if entry.problem is not None:
            raise ImageProblem(*entry.problem)
        found = probe(path, max_pixels=max_pixels, opener=opener)
        header = asdict(found)
        # Photos of one patient are not independent of each other.
        patient, group = header.pop("patient"), entry.group
        if group is None and patient:
            group = _pseudonym(patient)
        return {"status": OK, "error": None, "group": group, **header}
    except ImageProblem as problem:
        return {"status": problem.status, "error": shown(problem.message), **header, **_stat(path)}


def _pseudonym(patient: str) -> str:
    """A text of 12 letters in place of a patient's ID, which nothing that is shared may hold."""
    return hashlib.sha256(patient.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LETTERS]


def _stat(path: str) -> dict[str, int]:
    """Size and time of a file that is no usable image; empty where it cannot be reached."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return {}
    return {"file_bytes": found.st_size, "mtime_ns": found.st_mtime_ns}


@dataclass(frozen=True)
class Probed:
    """A photo's header.

    Attributes:
        format: as PIL names it, by content: ``JPEG``, ``PNG``, ...
        mode: as PIL names it: ``RGB``, ``CMYK``, ``I;16``, ...
        width: in px, after EXIF orientation.
        height: in px, after EXIF orientation.
        orientation: EXIF's, 1 to 8; 1 where there is none.
        frames: of an animation or a multi-page file; None where they were not counted.
        file_bytes: size of the file.
        mtime_ns: time of its last change, None where its dataset does not know.
        patient: of a DICOM file, None where it names none.
    """

    format: str
    mode: str
    width: int
    height: int
    orientation: int
    frames: int | None
    file_bytes: int
    mtime_ns: int | None
    patient: str | None = None


def probe(path: str, *, max_pixels: int, opener: Opener | None = None) -> Probed:
    """The header of the photo at ``path``, read by its dataset's ``opener`` (None: a local file).

    Raises:
        ImageProblem: ``empty`` (no bytes), ``unsupported`` (no image by content or suffix, or no
            regular file), ``unreadable`` (an image by content or suffix that is broken, or a file
            that cannot be opened), ``too_large`` (more than ``max_pixels``).
    """
    with opened(path, opener) as file:
        image = identify(file.stream, path, max_pixels=max_pixels)
        turned = orientation(image)
        with translated():
            height, width = size(image, turned)
            file_bytes = file.size
        is_counted = file_bytes <= _COUNT_FRAMES_UP_TO or image.format == "DICOM"  # its header says
        return Probed(
            format=image.format or "",
            mode=image.mode,
            width=width,
            height=height,
            orientation=turned,
            frames=_frames(image) if is_counted else None,
            file_bytes=file_bytes,
            mtime_ns=file.mtime_ns,
            patient=image.info.get("patient") if image.format == "DICOM" else None,
        )


def _frames(image: ImageFile) -> int | None:
    """The number of frames; None where a later one is broken: only the first is used.

    None also for a TIFF of more than _MOST_PAGES: each takes time, and 30 MB may hold millions.
    """
    try:
        return _pages(image) if image.format == "TIFF" else int(getattr(image, "n_frames", 1))
    except Exception:  # noqa: BLE001 - see header.translated
        return None


def _pages(image: ImageFile) -> int | None:
    """The pages of a TIFF, which is left at its last one; None for more than _MOST_PAGES."""
    try:
        for page in range(1, _MOST_PAGES + 1):
            image.seek(page)
    except EOFError:
        return page
    return None
