"""A verb before any key: what the command line can do besides an audit."""

from __future__ import annotations

import subprocess
import sys

import pytest

import xai_audit
from tests import tiny
from xai_audit.verbs import VERBS


def test_the_version_is_the_packages_own():
    done = tiny.audit(["--version"])
    assert (done.returncode, done.stdout) == (0, f"xai-audit {xai_audit.__version__}\n")


@pytest.mark.parametrize("first", [(), ("run",)])
def test_run_is_what_is_done_without_a_verb(first):
    done = tiny.audit([*first, "regions.border=0.7"])
    assert done.returncode == 2
    assert "regions.border" in done.stderr


@pytest.mark.parametrize("word", ["statsu", "flowers", "Run"])
def test_an_unknown_verb_is_one_line_with_the_known_ones(word):
    done = tiny.audit([word, "dataset=flowers"])
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"xai_audit: unknown verb: {word} | expected one of ")
    assert all(verb in line for verb in VERBS)


def test_the_module_takes_the_same_verbs():
    done = subprocess.run(
        [sys.executable, "-m", "xai_audit", "nothing"],
        cwd=tiny.REPO, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "unknown verb: nothing" in done.stderr
