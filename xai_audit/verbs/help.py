"""``xai-audit --help``: every key, its value and its meaning, by what it is about.

With groups chosen (``method=lime --help``) the keys of these alone. The meanings are the comments
of the configuration's own files (:mod:`xai_audit.config.meanings`).
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from xai_audit.config.compose import keys_of, translating
from xai_audit.config.meanings import of_file, of_nodes
from xai_audit.config.nodes import CONF_DIR
from xai_audit.verbs import VERBS
from xai_audit.verbs.methods import described
from xai_audit.verbs.sweep import swept

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

# The groups whose options bring keys of their own.
GROUPS = ("dataset", "masks", "model", "method", "engine")
_WIDE = 40  # letters of KEY=VALUE
_HIDDEN = ("_target_", "name")  # where nothing is said of them
_HEAD = """xai_audit shows whether an image classifier is right for the right reasons.

  python -m xai_audit dataset=flowers method=gradcam
  python -m xai_audit dataset=imagefolder dataset.root=photos \\
      model.arch=resnet18 model.weights=null model.checkpoint=resnet18.pth
  python -m xai_audit dataset=imagefolder dataset.root=photos stages=[index]
  python -m xai_audit -m method=gradcam,lime limit=500        a sweep: an audit for every value

Below: KEY=VALUE as it is now, and what it means. GROUP=OPTION --help shows an option's keys alone.
"""
_FOOT = """Exit code: 0 done, 1 unexpected error, 2 bad configuration or input, 3 a gate failed,
4 too many images failed, 130/143 stopped by a signal."""


def show_help(arguments: Sequence[str], folders: Sequence[Path]) -> int:
    """The exit code, 0: help is printed for ``arguments``, overrides of a run."""
    with translating(arguments, folders):
        several = swept(arguments)  # a key of several values has none to show
    given = [each for each in arguments if "=" in each and not each.startswith("-")]
    overrides = [each for each in given if each.partition("=")[0] not in several]
    chosen = [each.partition("=")[0] for each in overrides]
    keys, options = keys_of(overrides, config_dirs=folders)
    places = [*folders, CONF_DIR]
    groups = [group for group in GROUPS if group in chosen]
    lines = [_HEAD] if not groups else []
    for group in groups or GROUPS:
        lines += _group(group, keys, options[group], places)
    if not groups:
        lines += [*_cues(places), *_nodes(keys), *_verbs(), "", _FOOT]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _group(
    group: str, keys: Mapping[str, Any], option: str, places: Sequence[Path]
) -> Iterator[str]:
    """What ``group`` is about, its options, and the keys of the option chosen."""
    names = sorted({file.stem for place in places for file in (place / group).glob("*.yaml")})
    yield f"{group}=OPTION: {of_nodes()[1][group]}"
    yield from _filled(f"one of {', '.join(names)}", "  ", "  ")
    head, meanings = _of_option(group, option, places)
    if group == "method" and (file := _file(group, option, places)):
        head = _of_method(file) or head
    yield from _filled(f"{group}={option}: {head}", "", "  ")
    for key, value in _flat(keys[group]):
        dotted = f"{group}.{key}"
        meaning = meanings.get(dotted) or meanings.get(key) or meanings.get(key.partition(".")[0])
        if meaning or key not in _HIDDEN:
            yield from _key(dotted, value, meaning)
    yield ""


def _of_method(file: Path) -> str:
    """What a method is, needs and costs; empty where its files do not say it."""
    said = described(file)
    texts = [said["about"], f"Source: {said['paper']}" if said["paper"] else None]
    if said["needs"]:
        texts.append(f"Needs: {said['needs']}. Forwards: {said['forwards']}.")
    return " ".join(text for text in texts if text)


def _of_option(group: str, option: str, places: Sequence[Path]) -> tuple[str, dict[str, str]]:
    """The head and the meanings of an option's file and of those that it starts from."""
    file = _file(group, option, places)
    if file is None:
        return "", {}
    head, found = of_file(file)
    for line in file.read_text(encoding="utf-8").splitlines():
        base = line.strip().removeprefix("- ")
        if line.startswith("  - ") and (file.parent / f"{base}.yaml").is_file():
            found = of_file(file.parent / f"{base}.yaml")[1] | found
    return head, found


def _file(group: str, option: str, places: Sequence[Path]) -> Path | None:
    """The file of an option, a user's own before ours."""
    return next((f for place in places if (f := place / group / f"{option}.yaml").is_file()), None)


def _cues(places: Sequence[Path]) -> Iterator[str]:
    """The candidate shortcuts, each with what it is."""
    yield "cues=[NAME,...]: the candidate shortcuts"
    files = {
        file.stem: file for place in reversed(places) for file in (place / "cue").glob("*.yaml")
    }
    for name, file in sorted(files.items()):
        yield from _filled(f"  {name:<22} {of_file(file)[0]}", "", " " * 25)
    yield ""


def _nodes(keys: Mapping[str, Any]) -> Iterator[str]:
    """The keys of no group: single ones, then those of each subject."""
    about, meanings = of_nodes()
    yield "Keys of the run"
    for key, value in keys.items():
        if key not in (*GROUPS, "cue") and key not in about:
            yield from _key(key, value, meanings.get(key))
    for subject, text in about.items():
        yield ""
        yield from _filled(f"{subject}: {text.replace('``', '')}", "", "  ")
        for key, value in _flat(keys[subject]):
            yield from _key(f"{subject}.{key}", value, meanings.get(f"{subject}.{key}"))
    yield ""


def _verbs() -> Iterator[str]:
    yield "Verbs (VERB --help), and --version"
    for verb, text in VERBS.items():
        yield f"  {verb:<10} {text}"


def _flat(node: object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each key below ``node``, dotted, and its value; a mapping without keys is a value."""
    for key, value in node.items() if isinstance(node, dict) else ():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _key(key: str, value: object, meaning: str | None) -> Iterator[str]:
    head = f"  {key}={_written(value)}"
    if len(head) > _WIDE:
        yield head
        head = ""
    yield from _filled(f"{head:<{_WIDE}} {meaning or ''}", "", " " * (_WIDE + 1))


def _written(value: object) -> str:
    """``value`` as it is typed on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"[{','.join(map(_written, value))}]" if isinstance(value, list) else str(value)


def _filled(text: str, first: str, then: str) -> list[str]:
    """``text`` in lines as wide as the terminal."""
    width = min(shutil.get_terminal_size((110, 24)).columns, 120)
    return textwrap.wrap(
        text, max(width, 60), initial_indent=first, subsequent_indent=then,
        break_long_words=False, break_on_hyphens=False, replace_whitespace=False,
    ) or [text]  # fmt: skip
