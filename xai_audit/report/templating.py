"""The templates of the report's pages, and what they can say."""

from __future__ import annotations

import json
import re
from functools import lru_cache

import jinja2
from markupsafe import Markup, escape

from xai_audit.language import said, say, say_n, spoken
from xai_audit.report.retold import retold
from xai_audit.report.words import fact, interval, kind_words, percent, times, two, whole
from xai_audit.run.verdicts import marked


@lru_cache(maxsize=1)
def environment() -> jinja2.Environment:
    """The templates of this package; every value escaped, an absent one an error."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("xai_audit.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"percent": percent, "times": times, "whole": whole, "fact": fact}
    templates.filters |= {"two": two, "json": _json, "said": said, "retold": retold}
    templates.filters |= {"marked": _marked, "breakable": _breakable}
    templates.globals |= {"say": _say, "say_n": _say_n, "language": spoken}
    templates.globals |= {"interval": interval, "kind_words": kind_words}
    return templates


def _say(english: str, /, **values: object) -> Markup:
    """A sentence of a template, which may hold tags; values are escaped."""
    return Markup(say(english)).format(**values)  # noqa: S704 - ours, and the catalogue's


def _say_n(one: str, many: str, count: float, /, **values: object) -> Markup:
    return Markup(say_n(one, many, count)).format(**values)  # noqa: S704 - likewise


def _marked(sentence: str, made: bool) -> str:
    """As :func:`xai_audit.run.verdicts.marked`; what may hold tags still may."""
    text = marked(sentence, made)
    return Markup(text) if isinstance(sentence, Markup) else text  # noqa: S704 - was one before


def _breakable(name: str) -> Markup:
    """``name``, which a line may break after an underscore in it."""
    return Markup("<wbr>").join(map(escape, re.split(r"(?<=_)(?=[^_])", name)))


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, default=str)
