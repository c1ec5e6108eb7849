"""The command line: a verb and its arguments in, an exit code out, every user error as one line.

A verb is a module of ``xai_audit.verbs``, imported once it is requested: each loads only what it
needs.
"""

from __future__ import annotations

import sys
from importlib import import_module

from xai_audit import __version__
from xai_audit.errors import AuditError, ConfigError
from xai_audit.run.progress import kill_children
from xai_audit.verbs import VERBS

_DEFAULT = next(iter(VERBS))


def entry() -> None:
    """Run the command line of this process and exit with its code."""
    code = main()
    kill_children()
    sys.exit(code)


def main() -> int:
    """The exit code of the verb that this process's arguments begin with."""
    first, *rest = sys.argv[1:] or [""]
    if first == "--version":
        sys.stdout.write(f"xai-audit {__version__}\n")
        return 0
    if not _is_word(first):
        first, rest = _DEFAULT, sys.argv[1:]
    try:
        if first not in VERBS:
            raise ConfigError(
                "unknown verb",
                where=first,
                expected=f"one of {', '.join(VERBS)}, or KEY=VALUE",
                remedy="xai-audit --help",
            )
        return int(import_module(f"xai_audit.verbs.{first}").main(rest))
    except AuditError as exc:
        sys.stderr.write(f"xai_audit: {exc}\n")
        return exc.exit_code


def _is_word(argument: str) -> bool:
    """Whether it is a verb: neither a flag nor an override, as ``key=value`` or ``~key``."""
    return argument[:1].isalpha() and "=" not in argument
