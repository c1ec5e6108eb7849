"""What each key means: the comments of ``conf/*.yaml`` and of ``config/nodes.py``, read as text.

A key's comment stands in the lines above it or behind its value. Nothing says it a second time.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from xai_audit.config import nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

_YAML_KEY = re.compile(r"( *)([\w/+.-]+):(?:\s|$)")
_BEHIND = re.compile(r"(?:^|\s)#\s(.*)$")
_CLASS = re.compile(r"class (\w+):")
_FIELD = re.compile(r"    (\w+): (\w+)")
_DOC = re.compile(r'    """(.*?)"""')
_ROOT = nodes.AuditConfig.__name__


def of_file(file: Path) -> tuple[str, dict[str, str]]:
    """What a YAML file is for, and dotted key -> its meaning; keys without a comment have none."""
    comment, head, found = "", None, dict[str, str]()
    above: list[tuple[int, str]] = []  # indentation and name of the keys that hold this line
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("#"):
            text = line.lstrip().removeprefix("#").strip()
            comment = f"{comment} {text}".strip() if not text.startswith("@package") else comment
            continue
        head = comment if head is None else head
        if key := _YAML_KEY.match(line):
            indent, name = len(key[1]), key[2]
            above = [*(each for each in above if each[0] < indent), (indent, name)]
            behind = _BEHIND.search(line)
            meaning = " ".join(filter(None, (comment, behind[1].strip() if behind else "")))
            if meaning:
                found[".".join(each for _, each in above)] = meaning
        comment = ""
    first = next(iter(found), "")
    if found.get(first) == head and first in ("_target_", "defaults", "name", "dataset"):
        del found[first]
    return head or "", found


def of_nodes() -> tuple[dict[str, str], dict[str, str]]:
    """Group -> what it is about, and dotted key -> its meaning, of the typed nodes."""
    about: dict[str, str] = {}
    found: dict[str, str] = {}
    fields = dict[str, list[tuple[str, str, str]]]()
    docs = dict[str, str]()
    for name, doc, field, kind, comment in _fields():
        docs[name] = doc
        fields.setdefault(name, []).append((field, kind, comment))
    for field, kind, comment in fields[_ROOT]:
        if kind in fields:
            about[field] = docs[kind]
            found |= {f"{field}.{inner}": text for inner, _, text in fields[kind] if text}
        elif comment:
            found[field] = comment
    return about, found


def _fields() -> Iterator[tuple[str, str, str, str, str]]:
    """Class, its docstring's first line, field, the name of the field's type, its comment."""
    name = doc = comment = ""
    for line in Path(nodes.__file__).read_text(encoding="utf-8").splitlines():
        if found := _CLASS.match(line):
            name, doc = found[1], ""
        elif name and not doc and (found := _DOC.match(line)):
            doc = found[1]
        elif line.startswith("    # "):
            comment = f"{comment} {line.strip().removeprefix('# ')}".strip()
            continue
        elif name and (found := _FIELD.match(line)):
            behind = _BEHIND.search(line)
            text = " ".join(filter(None, (comment, behind[1].strip() if behind else "")))
            yield name, doc, found[1], found[2], text
        comment = ""
