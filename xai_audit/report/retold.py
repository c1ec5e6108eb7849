"""Sentences that tables and ``run.json`` keep in English, in the language of the report.

Their words are keys of the catalogue with the numbers and names filled in
(:func:`xai_audit.language.tell`). A kept sentence is parsed by these keys, and its parts are put
into the words of the other language. So the tables stay as they are, and a finished run, an old one
too, is told in another language from its tables alone. What no key fits stays in English.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter
from typing import TYPE_CHECKING

from xai_audit.language import STORED, said, spoken
from xai_audit.run.verdicts import marked, unmarked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xai_audit.language import Language

_UNREAD = 10  # what no key fits counts as so many names
_NUMBER = re.compile(r"[-+]?\d[\d,.]*(e-?\d+)?%?")


@dataclass(frozen=True)
class _Pattern:
    """A key: the texts between its placeholders, and these; ``numbers`` are those with a format."""

    texts: tuple[str, ...]
    names: tuple[str, ...]
    numbers: frozenset[str]
    words: str

    @classmethod
    def of(cls, english: str, words: str) -> _Pattern:
        parts = [*Formatter().parse(english)]
        names = tuple(name for _, name, *_ in parts if name is not None)
        texts = [text for text, *_ in parts] + ([""] if parts[-1][1] is not None else [])
        numbers = frozenset(name for _, name, form, _ in parts if name and form)
        plain = re.sub(r"\{(\w+):[^}]*\}", r"{\1}", words)
        return cls(tuple(texts), names, numbers, plain)

    def bindings(self, text: str, place: int = 0, start: int = 0) -> Iterator[dict[str, str]]:
        """Every way in which ``text`` from ``start`` on is this key with values filled in."""
        literal = self.texts[place]
        if not text.startswith(literal, start):
            return
        start += len(literal)
        if place == len(self.names):
            if start == len(text):
                yield {}
            return
        after, name = self.texts[place + 1], self.names[place]
        end = len(text) if not after else text.find(after, start + 1)
        while end > start:
            value = text[start:end]
            if name not in self.numbers or _NUMBER.fullmatch(value):
                for rest in self.bindings(text, place + 1, end):
                    if rest.get(name, value) == value:
                        yield {name: value} | rest
            end = -1 if not after else text.find(after, end + 1)


@dataclass(frozen=True)
class _Told:
    """Words, and how many letters of the text they took for names: of two readings that with less.

    A name may hold anything, even what looks like the rest of a sentence.
    """

    words: str
    taken: int


def retold(text: str) -> str:
    """A kept text of one or more sentences in the language of the context."""
    language = spoken()
    return text if not language.words or not text else _sentences(language.code, text).words


@lru_cache(maxsize=20_000)
def _sentences(code: str, text: str) -> _Told:
    ends = [match.start() + 1 for match in re.finditer(r"[.!?…] ", text)] + [len(text)]
    found = []
    for end in ends:  # a name may hold a full stop
        head = _clause(code, text[:end])
        if head is None and end == ends[0]:
            head = _Told(f"{text[:end]} " if len(ends) > 1 else text, _UNREAD * end)
        if head is not None:
            rest = _sentences(code, text[end + 1 :]) if end < len(text) else _Told("", 0)
            found.append(_Told(head.words + rest.words, head.taken + rest.taken))
    return min(found, key=lambda told: told.taken)


@lru_cache(maxsize=100_000)
def _clause(code: str, text: str) -> _Told | None:
    """One sentence or clause; None where no key fits."""
    if words := spoken().words.get((STORED, text)):
        return _Told(words, 0)
    if (plain := unmarked(text)) is not None:
        return _marked(_clause(code, plain))
    found = []
    for pattern in _patterns(code):
        for values in pattern.bindings(text):
            told = {name: _value(code, name, value) for name, value in values.items()}
            known = {name: each for name, each in told.items() if each is not None}
            if len(known) == len(told):
                words = pattern.words.format(**{name: each.words for name, each in known.items()})
                taken = sum(each.taken for each in known.values())
                found.append(_Told(words, taken))
    return min(found, key=lambda told: told.taken, default=None)


def _value(code: str, name: str, value: str) -> _Told | None:
    """A value in place of its placeholder; None where it is no clause and has to be one."""
    if (plain := unmarked(value)) is not None:
        return _marked(_value(code, name, plain))
    if name.isupper():
        return _clause(code, value)
    if name == "why" and (clause := _clause(code, value)):  # of a plugin it may be anything
        return clause
    words = value
    if name == "verdict":
        words = said(value)
    if name == "cue":
        region = re.fullmatch(r"discovered region (\S+)", value)
        words = (
            said("discovered region {number}").format(number=region[1]) if region else said(value)
        )
    return _Told(words, len(value))


def _marked(told: _Told | None) -> _Told | None:
    return None if told is None else _Told(marked(told.words, True), told.taken)


@lru_cache(maxsize=4)
def _patterns(code: str) -> tuple[_Pattern, ...]:
    """The keys with placeholders, the one with the most text of its own first."""
    del code  # of the context's language, of which the cache keeps them
    language: Language = spoken()
    found = [
        _Pattern.of(english, words)
        for (context, english), words in language.words.items()
        if context == STORED and "{" in english
    ]
    return tuple(sorted(found, key=lambda one: -sum(map(len, one.texts))))
