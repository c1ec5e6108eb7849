"""What SECURITY.md claims stands on tests that are there."""

from __future__ import annotations

import ast
import os
import re

import pytest

from tests import tiny
from xai_audit.run.files import replacing

POLICY = (tiny.REPO / ".github" / "SECURITY.md").read_text(encoding="utf-8")


def test_every_claim_names_a_test_that_is_there():
    named = re.findall(r"`(tests/\S+?\.py)::(\w+)`", POLICY)
    assert len(named) > 20
    for file, test in named:
        tree = ast.parse((tiny.REPO / file).read_text(encoding="utf-8"))
        assert test in {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}, test


@pytest.mark.parametrize("section", ["What is not", "What is refused", "What is written where"])
def test_every_claim_of_a_section_has_one(section):
    (text,) = re.findall(rf"^## {section}\n(.*?)^## ", POLICY, flags=re.DOTALL | re.MULTILINE)
    claims = re.split(r"^- |\n\n(?=\w)", text, flags=re.MULTILINE)
    for claim in filter(str.strip, claims):
        assert re.search(r"\[`tests/.+\]", claim, flags=re.DOTALL), claim


def test_a_file_is_yours_until_it_is_whole(tmp_path):
    with replacing(tmp_path / "a.json") as temporary:
        temporary.write_text("{}")
        assert temporary.stat().st_mode & 0o777 == 0o600
        assert not (tmp_path / "a.json").exists()
    before = os.umask(0o022)
    os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o666 & ~before
