"""Names of files and folders made from a stranger's: one component, short, and each its own."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from xai_audit.errors import AuditError, spelled_out
from xai_audit.report.picture import class_folder
from xai_audit.run.paths import safe_name

# Any text that a name may be; bytes that are no UTF-8 as Python has them.
TEXT = st.text(st.characters(codec="utf-8"), max_size=300)
BYTES = st.binary(max_size=300).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
few = settings(max_examples=40, deadline=None)


@few
@given(TEXT | BYTES)
@example("..")
@example(".")
@example("")
@example("a/../b")
@example("CON")
@example("nul.txt")
@example("\u202e\0\n")
@example("n" * 5000)
def test_a_safe_name_is_one_short_component(text):
    name = safe_name(text)
    assert re.fullmatch(r"[A-Za-z0-9_+][A-Za-z0-9._+-]*", name)
    assert len(name) <= 160
    assert not re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name)
    assert safe_name(name) == name


@few
@given(st.lists(TEXT, unique=True, max_size=8))
@example(["a b", "a-b", "a/b", "A b"])
@example(["caf\u00e9", "cafe\u0301"])
@example(["n" * 400, "n" * 401])
def test_classes_have_folders_of_their_own(names):
    folders = [class_folder(name) for name in names]
    # Also where the file system knows no capitals.
    assert len({folder.lower() for folder in folders}) == len(names)
    assert all(len(folder) <= 80 and safe_name(folder) == folder for folder in folders)


@pytest.mark.parametrize("text", ["n" * 400, "caf\u00e9" * 90])
def test_long_names_that_differ_at_their_end_differ(text):
    assert safe_name(text + "a") != safe_name(text + "b")


def test_a_name_of_ordinary_length_stays_as_it_is():
    assert safe_name("Flowers 102 (val)") == "Flowers-102-val"


@few
@given(TEXT | BYTES)
@example("\x1b[31m\x9b2J\u202e\u2028\r\n\x07")
def test_nothing_that_is_printed_is_obeyed(text):
    shown = spelled_out(text)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", shown)
    shown.encode()
    assert spelled_out(shown) == shown
    line = str(AuditError(text, where=text, got=text))
    assert len(line.splitlines()) <= 1
    line.encode()
