"""What a page should not give away: home folders and tokens, replaced in texts and records."""

from __future__ import annotations

import os
import re
from typing import Any

HIDDEN = "***"
_SECRET = r"(?:token(?!i[sz])|secret|passw|api_?key|access_?key|credential|signature)"
_NAMED = re.compile(rf"(?i)\b([\w.\-]*{_SECRET}[\w.\-]*)(=|: ?)([^\s&,;}}\]]+)")
_KEY = re.compile(rf"(?i){_SECRET}")
_IN_ADDRESS = re.compile(r"(?<=://)[^/\s@]+@")
# Of Hugging Face, GitHub, GitLab, AWS, OpenAI and JSON web tokens.
_KNOWN = re.compile(
    r"\b(?:hf_\w{16,}|gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|sk-[\w-]{16,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
)
_HOME = re.compile(
    r"(?<![\w.~-])(?:/home/[^/\s'\"]+|/Users/[^/\s'\"]+|/root|[A-Z]:\\Users\\[^\\\s'\"]+)(?![\w.-])"
)


def redacted(value: Any) -> Any:  # noqa: ANN401 - of JSON
    """``value`` with ``~`` for home folders and ``***`` for what is or is called a secret.

    Args:
        value: a text, or JSON values with texts in them.
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {key: _of_key(str(key), each) for key, each in value.items()}
    return [redacted(each) for each in value] if isinstance(value, (list, tuple)) else value


def _of_key(key: str, value: Any) -> Any:  # noqa: ANN401 - of JSON
    return HIDDEN if value and isinstance(value, str) and _KEY.search(key) else redacted(value)


def _text(text: str) -> str:
    home = os.path.expanduser("~")  # noqa: PTH111 - stays ~ where nobody knows it
    if len(home) > 1:
        text = re.sub(rf"(?<![\w.~-]){re.escape(home)}(?![\w.-])", "~", text)
    text = _IN_ADDRESS.sub(f"{HIDDEN}@", _HOME.sub("~", text))
    return _KNOWN.sub(HIDDEN, _NAMED.sub(rf"\1\2{HIDDEN}", text))
