"""Brings the report's catalogues up to date with the words of the code.

``python -m tests.catalogue`` rewrites ``xai_audit/report/locale/*/LC_MESSAGES/xai_audit.po``: new
words are added without a translation (and printed), what is no longer said is dropped, the
translations that are there stay. Babel's extractor would do the first half; the second is ours
either way, as templates, Python and the page's script say their words in one and the same form.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import NamedTuple

from jinja2 import nodes

import xai_audit
from xai_audit.config.nodes import LANGUAGES
from xai_audit.language import STORED
from xai_audit.report.catalogue import Entry, catalogue_of, read_po
from xai_audit.report.explore.build import script_keys
from xai_audit.report.templating import environment

PACKAGE = Path(xai_audit.__file__).parent
_CALLS = {"say": "", "say_n": "", "mark": "", "tell": STORED}
HEADER = """\
# Words of the report, for xai_audit/language.py; brought up to date by python -m tests.catalogue.
msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"
"""


class Key(NamedTuple):
    """What the code says: a message of the catalogue without its words, and where it is said."""

    context: str
    english: str
    plural: str | None
    file: str


def keys() -> dict[tuple[str, str], Key]:
    """(context, English) -> every key of the package, in the order of the files."""
    found: dict[tuple[str, str], Key] = {}
    for path in sorted(PACKAGE.rglob("*")):
        name = path.relative_to(PACKAGE.parent).as_posix()
        for context, english, plural in _keys(path):
            if english:
                key = found.setdefault((context, english), Key(context, english, plural, name))
                if plural and not key.plural:
                    found[context, english] = Key(context, english, plural, key.file)
    return found


def _keys(path: Path) -> list[tuple[str, str, str | None]]:
    if path.suffix == ".py":
        return _of_python(path)
    if path.suffix == ".j2":
        return _of_template(path)
    if path.suffix == ".js" and path.parent.name == "templates":
        return [("", key, None) for key in script_keys(path.read_text(encoding="utf-8"))]
    return []


def _of_python(path: Path) -> list[tuple[str, str, str | None]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id in _CALLS and path.stem != "language":
            texts = [_constant(arg, path, node.lineno) for arg in node.args[:2]]
            if node.func.id != "say_n":
                texts = texts[:1]
            found.append((node.lineno, _CALLS[node.func.id], *texts, None))
    return [each[1:4] for each in sorted(found, key=lambda one: one[0])]


def _constant(arg: ast.expr, path: Path, line: int) -> str:
    if path.name == "templating.py" and not isinstance(arg, ast.Constant):
        return ""  # a template's words, passed on
    assert isinstance(arg, ast.Constant), f"{path}:{line}: say() takes the sentence itself"
    return str(arg.value)


def _of_template(path: Path) -> list[tuple[str, str, str | None]]:
    tree = environment().parse(path.read_text(encoding="utf-8"))
    found = []
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in ("say", "say_n"):
            texts = [arg.as_const() for arg in call.args[: 2 if call.node.name == "say_n" else 1]]
            found.append(("", *texts, None)[:3])
    return found


def rendered(language: str, entries: list[Entry], files: dict[tuple[str, str], str]) -> str:
    """The text of a catalogue."""
    blocks = [HEADER.format(language=language)]
    file = ""
    for entry in entries:
        lines = []
        if (now := files[entry.context, entry.english]) != file:
            lines.append(f"#. {now}")
            file = now
        if entry.context:
            lines.append(f"msgctxt {_quoted(entry.context)}")
        lines.append(f"msgid {_quoted(entry.english)}")
        if entry.plural:
            lines.append(f"msgid_plural {_quoted(entry.plural)}")
        lines.append(f"msgstr{'[0]' if entry.plural else ''} {_quoted(entry.words)}")
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def main() -> None:
    """Rewrite every catalogue."""
    said = keys()
    for language in LANGUAGES[1:]:
        path = catalogue_of(language)
        old = read_po(path.read_text(encoding="utf-8")) if path.is_file() else []
        known = {(e.context, e.english): e.words for e in old}
        entries = [Entry(*key[:3], known.get(key[:2], "")) for key in said.values()]
        path.parent.mkdir(parents=True, exist_ok=True)
        files = {(key.context, key.english): key.file for key in said.values()}
        path.write_text(rendered(language, entries, files), encoding="utf-8")
        new = [entry.english for entry in entries if not entry.words]
        for english in new:
            print(english)  # noqa: T201 - for who translates it
        print(f"{path}: {len(entries)} messages, {len(new)} without words")  # noqa: T201


if __name__ == "__main__":
    main()
