"""The fonts of plots, and the language that their letters allow."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING

from xai_audit.language import ENGLISH, spoken

if TYPE_CHECKING:
    from xai_audit.language import Language

log = logging.getLogger(__name__)

# What draws a letter that DejaVu Sans, matplotlib's own, lacks; those that are installed are used.
_CHINESE = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC"),
    *("WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "PingFang SC", "Microsoft YaHei", "SimHei"),
)
FALLBACKS = (
    *(*_CHINESE, "Noto Sans JP", "Noto Sans KR"),
    *("Noto Sans Devanagari", "Noto Sans Bengali", "Noto Sans Tamil", "Noto Sans Thai"),
    *("Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Symbols2", "Arial Unicode MS"),
)


def drawn_language() -> Language:
    """The language of the words in a plot: English where no font has the letters of the page's."""
    language = spoken()
    return language if language == ENGLISH or _has_font(language.code) else ENGLISH


@lru_cache
def _has_font(code: str) -> bool:
    """Whether matplotlib knows a font for a language; where not, the log says so once."""
    from matplotlib.font_manager import fontManager

    if {font.name for font in fontManager.ttflist} & {*_CHINESE}:
        return True
    log.info("plots: no font for %s is installed, their words stay English", code)
    return False
