"""``xai-audit compare A B [C...]``: finished audits against the first; loads no torch."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from xai_audit import load
from xai_audit.compare.answer import lines
from xai_audit.compare.comparison import NOISE, check_folder, compare
from xai_audit.config.nodes import LANGUAGES
from xai_audit.errors import ConfigError
from xai_audit.store.address import is_address
from xai_audit.verbs.run import start_log

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger("xai_audit")

_FOLDER = "comparison"
_KEYS = {
    "noise": f"smallest change of an effect, a probability, that is one ({NOISE})",
    "report.language": f"of the page: {' or '.join(LANGUAGES)} (that of the first audit's report)",
    "output_dir": f"where the page and its tables go ({_FOLDER}, beside the second audit)",
}


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, and 2 where there is nothing to compare."""
    parser = argparse.ArgumentParser(
        prog="xai-audit compare",
        description="What changed from the first audit to each other one: the same transplants, "
        "asked of each model. Writes comparison.parquet and a page.",
        epilog=" · ".join(f"{key}=VALUE: {meaning}" for key, meaning in _KEYS.items()),
    )
    meaning = "output folders of finished audits, or their addresses; the first is the reference"
    parser.add_argument("folders", metavar="DIR", nargs="+", help=meaning)
    folders, keys = _split(parser.parse_args(arguments).folders)
    start_log()
    place = _place(folders, keys.get("output_dir"))
    check_folder(place)
    language = _language(keys.get("report.language"))
    comparison = compare([load(folder) for folder in folders], noise=_noise(keys.get("noise")))
    for text in lines(comparison):
        log.info("%s", text)
    log.info("comparison: %s", comparison.save(place, language=language))
    return 0


def _split(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Folders and keys; a folder may have an equals sign in its name."""
    folders, keys = [], {}
    for word in words:
        key, equals, value = word.partition("=")
        if key in _KEYS and equals:
            keys[key] = value
        elif equals and key.replace(".", "_").isidentifier() and not Path(word).exists():
            expected = f"a folder, or one of {', '.join(_KEYS)}"
            raise ConfigError("no such key of a comparison", where=key, expected=expected)
        else:
            folders.append(word)
    return folders, keys


def _noise(text: str | None) -> float:
    try:
        return NOISE if text is None else float(text)
    except ValueError as exc:
        expected = "a number, as 0.1"
        raise ConfigError("no such threshold", where="noise", expected=expected, got=text) from exc


def _language(given: str | None) -> str | None:
    if given is not None and given not in LANGUAGES:
        expected = ", ".join(LANGUAGES)
        raise ConfigError("no such language", where="report.language", expected=expected, got=given)
    return given


def _place(folders: Sequence[str], given: str | None) -> Path:
    """The folder of the comparison."""
    if given is None and len(folders) > 1 and not is_address(folders[1]):
        return Path(folders[1]).expanduser().absolute().parent / _FOLDER
    if given and not is_address(given):
        return Path(given).expanduser().absolute()
    if len(folders) < 2:
        return Path(_FOLDER).absolute()  # one audit is no comparison: said when it is made
    raise ConfigError(
        "a comparison is written to this machine",
        where="output_dir",
        expected="a folder",
        got=given or "the second audit is at an address",
        remedy="output_dir=comparison",
    )
