"""The report's languages, and their catalogue: ``locale/<language>/LC_MESSAGES/xai_audit.po``.

Read as it is written, a file of gettext's own format: a wheel and a checkout have the same file,
and none has to be compiled after an edit (gettext of the standard library reads compiled ones
alone, and a library for the format would be one more dependency for forty lines).
"""

from __future__ import annotations

import ast
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xai_audit.config.nodes import LANGUAGES
from xai_audit.language import ENGLISH, Language, speaking

if TYPE_CHECKING:
    from xai_audit.run.reader import Run

# Language of ``report.language`` -> its code of BCP 47, and what stands between sentences.
_KNOWN = dict(zip(LANGUAGES, (("en", " "), ("zh-Hans", "")), strict=True))
_FIELDS = ("msgctxt", "msgid_plural", "msgid", "msgstr[0]", "msgstr")


class Entry(NamedTuple):
    """A message: its English (``plural`` is None of one without) and its words, maybe ``""``."""

    context: str
    english: str
    plural: str | None
    words: str


def catalogue_of(name: str) -> Path:
    """The file of a language of ``report.language``."""
    return Path(__file__).parent / "locale" / name / "LC_MESSAGES" / "xai_audit.po"


@lru_cache
def language(name: str) -> Language:
    """A language of ``report.language`` with its words."""
    if name == "en":
        return ENGLISH
    code, gap = _KNOWN[name]
    entries = read_po(catalogue_of(name).read_text(encoding="utf-8"))
    words = {(e.context, e.english): e.words for e in entries if e.words and e.english}
    return Language(code, words, gap)


def in_language_of(run: Run) -> AbstractContextManager[None]:
    """Speak the language that ``report.language`` of ``run`` asks for."""
    return speaking(language((run.config.get("report") or {}).get("language") or "en"))


def read_po(text: str) -> list[Entry]:
    """The messages of a catalogue, its header among them; comments are left out."""
    entries: list[Entry] = []
    for block in text.split("\n\n"):
        found: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if not line.startswith('"'):
                name = next(known for known in _FIELDS if line.startswith(f"{known} "))
                line = line.removeprefix(name)
            found[name] = found.get(name, "") + str(ast.literal_eval(line.strip()))
        if found:
            words = found.get("msgstr[0]", found.get("msgstr", ""))
            context, plural = found.get("msgctxt", ""), found.get("msgid_plural")
            entries.append(Entry(context, found["msgid"], plural, words))
    return entries
