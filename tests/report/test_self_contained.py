"""One file to send: all that the page shows, below a limit, and what it leaves out is named."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import pytest

from tests.report.conftest import reported
from xai_audit.report.self_contained import contained, write_self_contained

if TYPE_CHECKING:
    from pathlib import Path

    from xai_audit.run.paths import RunPaths

PAGE = """<main id="main">
<a href="#todo">todo</a> <a href="https://example.org/">cite</a> <a href="lists/daisy.csv">list</a>
<a href="gallery/daisy-0123456789/index.html">daisy</a>
<a href="gallery/daisy-0123456789/images/a.jpg">
<img src="gallery/daisy-0123456789/images/a.jpg" width="3" alt="a &#34;b&#34;"></a>
<img src="gallery/rose-0123456789/images/b.jpg" alt="b">
<img class="plot" src="plots/proof.jpg" alt="proof">
&lt;img src=&#34;gallery/none.jpg&#34;&gt;
</main>"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in (
        ("lists/daisy.csv", b"a,b"),
        ("gallery/daisy-0123456789/images/a.jpg", b"A" * 300),
        ("gallery/rose-0123456789/images/b.jpg", b"B" * 300),
        ("plots/proof.jpg", b"P" * 300),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def inside(page: str) -> list[bytes]:
    return [base64.b64decode(data) for data in re.findall(r"base64,([^\"]*)", page)]


def test_all_that_fits_is_inside(folder: Path) -> None:
    page = contained(PAGE, folder, limit=10_000)
    assert inside(page) == [b"a,b", b"A" * 300, b"B" * 300, b"P" * 300]
    assert 'href="data:text/csv;base64,YSxi" download="daisy.csv"' in page
    assert set(re.findall(r' (?:src|href)="([^:"]*)', page)) == {"#todo", "https", "data"}
    assert "Left out of this file: 1 page that it links to." in page
    assert "&lt;img src=&#34;gallery/none.jpg&#34;&gt;" in page


@pytest.mark.parametrize("limit", [1300, 1800, 2200, 2600, 3000])
def test_the_proof_comes_first_and_what_is_left_out_is_named(folder: Path, limit: int) -> None:
    page = contained(PAGE, folder, limit=limit)
    assert len(page.encode()) <= limit
    order = [b"a,b", b"P" * 300, b"A" * 300, b"B" * 300]
    kept = inside(page)
    assert sorted(kept) == sorted(order[: len(kept)])
    left = {"A": "daisy", "B": "rose", "P": "plots"}
    for letter, name in left.items():
        named = re.search(r"has no room for \(([^)]*)\)", page)
        assert (letter.encode() * 300 in kept) != bool(named and name in named[1])
    assert page.count("left out of this file") == 3 - sum(one != b"a,b" for one in kept)
    if b"A" * 300 not in kept:
        assert 'role="img" aria-label="a &#34;b&#34;"' in page


def test_the_whole_page_of_a_run(tiny_run: RunPaths) -> None:
    run = reported(tiny_run)
    write_self_contained(run.paths)
    page = run.paths.self_contained_html.read_text(encoding="utf-8")
    index = run.paths.index_html.read_text(encoding="utf-8")
    assert index.count("<img ") == len(re.findall(r'<img[^>]* src="data:', page)) > 0
    assert not re.findall(r' (?:src|href)="(?!#|data:|https:)', page)
    assert index.count("As a file:") > page.count("As a file:") == 0
