"""``xai-audit gate DIR... KEY=VALUE...``: whether finished audits hold to rules; loads no torch."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_audit.config.compose import compose
from xai_audit.errors import AuditError, ConfigError, GateError, spelled_out
from xai_audit.gate.judge import is_asked, no_rule
from xai_audit.gate.lines import lines
from xai_audit.gate.output import as_json, ask
from xai_audit.run.home import paths_of
from xai_audit.run.reader import Run
from xai_audit.verbs.run import complain, unknown_flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.config.nodes import GateConfig
    from xai_audit.gate.outcome import Result

# What is a key, where no folder has that name: those of a sweep's members hold an =.
_KEY = re.compile(r"[+~]{0,2}[\w.]+=")
_TAKEN = ("gate.", "experiment=")


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, 2 where something cannot be read, 3 where a gate failed."""
    parser = argparse.ArgumentParser(
        prog="xai-audit gate",
        allow_abbrev=False,
        description="Whether finished audits hold to the rules gate.KEY=VALUE; --help of xai-audit "
        "lists them. Each rule is violated, passed, cannot tell or not applicable. Writes "
        "report/junit.xml and report/summary.json of each. Exit code 3 where a gate failed.",
    )
    parser.add_argument("folders", metavar="DIR", nargs="*", help="output folders or addresses")
    parser.add_argument("--json", action="store_true", help="the same as JSON, a list")
    parser.add_argument("--config-dir", "-cd", type=Path, help="a folder of YAML files")
    given, rest = parser.parse_known_intermixed_args(arguments)
    if rest:
        raise unknown_flag(rest[0])
    folders = [each for each in given.folders if not _is_key(each)]
    settings = _settings([each for each in given.folders if _is_key(each)], given.config_dir)
    if not folders:
        raise ConfigError("no audit is named", where="gate", remedy="xai-audit gate DIR KEY=VALUE")
    code, found = 0, []
    for folder in folders:
        try:
            run = Run(paths_of(folder).root)
            result = ask(run, settings)
        except AuditError as exc:
            complain(exc)
            code = exc.exit_code
            continue
        found.append({"folder": str(folder)} | as_json(run.paths, result))
        if not given.json:
            _print(folder, run, result)
        code = code or (GateError.exit_code if result.failed else 0)
    if given.json:
        sys.stdout.write(f"{json.dumps(found, indent=1, ensure_ascii=False)}\n")
    return code


def _print(folder: str, run: Run, result: Result) -> None:
    text = "\n".join(f"  {spelled_out(each)}" for each in lines(run.paths, result))
    sys.stdout.write(f"{folder}:\n{text}\n")


def _is_key(argument: str) -> bool:
    return bool(_KEY.match(argument)) and not Path(argument).is_dir()


def _settings(overrides: Sequence[str], config_dir: Path | None) -> GateConfig:
    """The rules.

    Raises:
        ConfigError: a key of something else, or no rule.
    """
    for each in overrides:
        if not each.lstrip("+~").startswith(_TAKEN):
            remedy = "a finished audit stays as it is; rules are gate.KEY=VALUE"
            raise ConfigError("no key of a gate", where=each, remedy=remedy)
    folders = [] if config_dir is None else [config_dir]
    settings: Any = compose(overrides, config_dirs=folders).settings
    found: GateConfig = settings.gate
    if not is_asked(found):
        raise no_rule("xai-audit gate")
    return found
