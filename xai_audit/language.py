"""The words that people read: English in the code, another language from a catalogue.

English sentences are the keys of the catalogue (gettext's way), so the code reads as what it says.
``say`` speaks the language of the context, which the report's stages set; everything else, tables
and logs included, is in English. Why a context variable: nearly every function of the report writes
words, and a parameter through all of them would say nothing that a reader needs.

``tell`` writes a sentence that a table or ``run.json`` keeps, always in English; the report reads
it back by the same key (:mod:`xai_audit.report.retold`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

# Context in the catalogue of what ``tell`` writes.
STORED = "table"


@dataclass(frozen=True)
class Language:
    """A language.

    Attributes:
        code: of BCP 47, for ``<html lang>``.
        words: (context, English) -> the words; of a plural the key is its singular.
        gap: what stands between two sentences.
    """

    code: str = "en"
    words: Mapping[tuple[str, str], str] = field(default_factory=dict)
    gap: str = " "


ENGLISH = Language()
_SPOKEN: ContextVar[Language] = ContextVar("language", default=ENGLISH)


def spoken() -> Language:
    """The language of the context."""
    return _SPOKEN.get()


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Speak ``language`` in the body."""
    token = _SPOKEN.set(language)
    try:
        yield
    finally:
        _SPOKEN.reset(token)


def mark(english: str) -> str:
    """``english`` as it is: a key of the catalogue, for :func:`said` later."""
    return english


def said(english: str) -> str:
    """The words for a key that was marked elsewhere; itself where there are none."""
    return spoken().words.get(("", english), english)


def say(english: str, /, **values: object) -> str:
    """The sentence, with ``values`` in place of ``{names}``."""
    text = said(english)
    return text.format(**values) if values else text


def say_n(one: str, many: str, count: float, /, **values: object) -> str:
    """The sentence about ``count`` things; Chinese has one form for any number."""
    words = spoken().words.get(("", one))
    text = (one if count == 1 else many) if words is None else words
    return text.format(**values) if values else text


def tell(english: str, /, **values: object) -> str:
    """The sentence in English, to be kept in a table.

    A placeholder in capitals holds another such sentence or clause; one with a format, a number.
    """
    return english.format(**values) if values else english


def listed(parts: list[str]) -> str:
    """``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return say("{first} and {last}", first=say(", ").join(parts[:-1]), last=parts[-1])
