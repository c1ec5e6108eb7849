"""The report's first page as one file to send: what it shows lies inside it."""

from __future__ import annotations

import base64
import html
import mimetypes
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from xai_audit.language import say, say_n
from xai_audit.report.sections import GALLERY
from xai_audit.run.files import write_text

if TYPE_CHECKING:
    from pathlib import Path

    from xai_audit.run.paths import RunPaths

# Bytes: what mail servers and trackers commonly take.
_LIMIT = 20_000_000
# The templates write every link so, and escape quotes in whatever else they write.
_IMAGE = re.compile(r'<img(?P<first>[^>]*) src="(?P<file>(?!data:)[^"]+)"(?P<rest>[^>]*)>')
_LINK = re.compile(r' href="(?P<file>(?![#"]|[a-z]+:)[^"]+)"')
_ALT = re.compile(r' alt="[^"]*"')
_DIGITS = re.compile(r"-[0-9a-f]{10}$")
_NAMED = 5  # classes of which pictures are left out
# What tells of files beside the page.
_FILES = '<p class="note screen">{} .*?</p>\n?'
_MAIN = '<main id="main">\n'


def write_self_contained(paths: RunPaths, *, limit: int = _LIMIT) -> None:
    """Write ``self_contained.html``: ``index.html`` with its plots, pictures and lists inside.

    What does not fit is left out and named at its top: plots and proof come first, then the
    galleries from the page's beginning. Pages that it links to are left out.

    Args:
        paths: of a run whose first page is written.
        limit: most bytes of the file.
    """
    page = paths.index_html.read_text(encoding="utf-8")
    write_text(paths.self_contained_html, contained(page, paths.report, limit=limit))


def contained(page: str, folder: Path, *, limit: int) -> str:
    """``page`` with what it shows of ``folder`` inside it, at most ``limit`` bytes.

    Args:
        page: HTML of our templates, whose links are relative to ``folder``.
        folder: of the report.
        limit: in bytes; a page that is larger without any picture stays so.
    """
    images = [match["file"] for match in _IMAGE.finditer(page)]
    links = [match["file"] for match in _LINK.finditer(page)]
    lists = [file for file in links if file.endswith(".csv")]
    wanted = sorted(dict.fromkeys(lists + images), key=lambda file: file.startswith(GALLERY))
    pages = sorted({file for file in links if file.endswith(".html")})
    words = len(_note(wanted, pages).encode())
    kept = _fitting(wanted, folder, limit - len(page.encode()) - words)
    left = [file for file in wanted if file not in kept]

    def image(match: re.Match[str]) -> str:
        data = kept.get(match["file"])
        if data is not None:
            return f'<img{match["first"]} src="{data}"{match["rest"]}>'
        alt = _ALT.search(match["rest"])
        label = alt[0].replace(" alt=", " aria-label=") if alt else ""
        return f'<span class="unreadable" role="img"{label}>{say("left out of this file")}</span>'

    def link(match: re.Match[str]) -> str:
        file = match["file"]
        if file in lists and file in kept:
            return f' href="{kept[file]}" download="{PurePosixPath(file).name}"'
        return ""  # browsers open no picture by such an address

    page = _LINK.sub(
        link, _IMAGE.sub(image, re.sub(_FILES.format(re.escape(say("As a file:"))), "", page))
    )
    return page.replace(_MAIN, _MAIN + _note(left, pages), 1)


def _fitting(files: list[str], folder: Path, space: int) -> dict[str, str]:
    """File -> its data address, from the first on until ``space`` bytes are full."""
    kept: dict[str, str] = {}
    for file in files:
        data = _data(folder / html.unescape(file))
        space -= len(data)
        if space < 0:
            break
        kept[file] = data
    return kept


def _data(file: Path) -> str:
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"


def _note(left: list[str], pages: list[str]) -> str:
    """What was left out; empty where nothing was."""
    parts = []
    if left:
        classes = sorted({_class_of(file) for file in left})
        named = say(", ").join(classes[:_NAMED])
        named += say(" and others") if len(classes) > _NAMED else ""
        parts.append(
            say_n(
                "{number} picture that it has no room for ({names})",
                "{number} pictures that it has no room for ({names})",
                len(left), number=f"{len(left):,}", names=named,
            )
        )  # fmt: skip
    if pages:
        parts.append(
            say_n(
                "{number} page that it links to",
                "{number} pages that it links to",
                len(pages), number=f"{len(pages):,}",
            )
        )  # fmt: skip
    if not parts:
        return ""
    text = say("Left out of this file: {parts}. The report has them.", parts=say("; ").join(parts))
    return f'<p class="note">{text}</p>\n'


def _class_of(file: str) -> str:
    """The folder of ``file`` as people know it: of a gallery, the class without its digits."""
    folder, *inside = PurePosixPath(file).parts
    return _DIGITS.sub("", inside[0]) if folder == GALLERY and len(inside) > 1 else folder
