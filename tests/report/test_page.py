from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import jinja2
import pytest

from tests.report import conftest
from tests.report.conftest import CLASSES, ODD_NAMES
from xai_audit.report import page
from xai_audit.report.measured import URL
from xai_audit.report.templating import environment

VOID = {"meta", "link", "img", "br", "wbr", "input"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails on tags that are not closed in order."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file, self.open, self.tags, self.text = file, [], [], []
        self.feed(file.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, name: str) -> list[dict]:
        return [attrs for tag, attrs in self.tags if tag == name]

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def reported(paths) -> Page:
    """The first page of the report that is made of a run."""
    conftest.reported(paths)
    return Page(paths.index_html)


def check_links(seen: Page) -> None:
    ids = Counter(attrs["id"] for _, attrs in seen.tags if "id" in attrs)
    assert set(ids.values()) == {1}
    targets = [attrs["href"] for attrs in seen.all("a")] + [i["src"] for i in seen.all("img")]
    for target in targets:
        parts = urlsplit(target)
        assert not parts.scheme
        assert not parts.netloc
        if parts.path:
            assert (seen.file.parent / unquote(parts.path)).is_file(), target
        else:
            assert parts.fragment in ids


def test_every_link_is_relative_and_leads_somewhere(tiny_run):
    seen = reported(tiny_run)
    check_links(seen)
    linked = {a["href"] for a in seen.all("a") if a["href"].endswith(".jpg")}
    on_disk = {
        p.relative_to(tiny_run.report).as_posix() for p in tiny_run.gallery.glob("*/images/*")
    }
    assert linked == on_disk


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_run(tiny_run):
    seen = reported(tiny_run)
    text = tiny_run.index_html.read_text(encoding="utf-8")
    assert "http" not in text.replace("http-equiv", "").replace(URL, "")
    assert "url(" not in text
    assert seen.all("script") == []
    assert [link["href"] for link in seen.all("link")] == ["data:,"]


def test_images_have_size_words_and_load_lazily(tiny_run):
    images = reported(tiny_run).all("img")
    assert len(images) == 11  # a plot
    for image in images:
        assert int(image["width"]) > 0
        assert int(image["height"]) > 0
        assert image["loading"] == "lazy"
        assert image["alt"]


def test_odd_names_come_out_as_they_are_and_nothing_else(tiny_run):
    seen = reported(tiny_run)
    names = [f"daisy/{name.replace('|', chr(92))}" for name in ODD_NAMES[1:4]]
    alts = [image["alt"] for image in seen.all("img")]
    for name in names:
        assert f"{name}: daisy 90%" in alts
        assert name in seen.text  # under the photo
    assert 'tulip/<b>"bad".jpg' in seen.words
    assert "truncated <file>" in seen.words
    assert "49" not in [alt.split(":")[0] for alt in alts]
    assert seen.all("b") != []  # headlines only
    assert not any("bad" in str(attrs) for attrs in seen.all("b"))


def test_the_words_under_a_photo_say_what_its_gallery_is_about(tiny_run):
    words = reported(tiny_run).words
    odd = " ".join(f"daisy/{ODD_NAMES[3]}".split())
    measured = "border 53% · class 10% · z 43.0 object 60% · background 30% · border 53%"
    assert f"✓ daisy 90% {measured} {odd}" in " ".join(words.split())
    assert "✗ tulip → daisy 77% wrong, confidence 77%" in words


def test_a_photo_that_cannot_be_read_is_said_to_be(tiny_run):
    seen = reported(tiny_run)
    assert seen.words.count("photo cannot be read") == 2  # one gone, one no JPEG
    missing = [s["aria-label"] for s in seen.all("span") if s.get("class") == "unreadable"]
    assert missing == ["tulip/2.jpg: tulip → daisy 77%", "tulip/1.jpg: tulip → daisy 76%"]


def test_the_headline_says_what_was_found(tiny_run):
    words = reported(tiny_run).words
    assert "audited on 24 photos of 2 classes and names the right class for 87.5% of them" in words
    assert "7 photos deserve a look, 1 could not be used." in words
    assert "Photos found 26" in words
    assert "1 photo was left out by limit" in words


def test_the_class_table_has_a_line_a_class(tiny_run):
    words = reported(tiny_run).words
    border = (0.5 + 0.51 + 0.52 + 0.53 + 8 * 0.1) / 12
    assert f"daisy 12 100.0% 60% ×3.0 30% ×1.5 {border:.0%} ×{border / 0.2:.1f}" in words
    assert "tulip 12 75.0% 60% ×3.0" in words


def test_the_target_layer_stands_among_the_definitions(builder):
    builder.record = {"model": {"name": "net", "target_layer": "features", "grid": [14, 14]}}
    builder.add("daisy/1.jpg")
    words = reported(builder.write()).words
    assert "Target layer features, 14 × 14 cells, found automatically. CAM methods" in words


def test_a_model_at_chance_is_the_first_thing_said(builder):
    lines = ["The model is no better than chance: <b>.", "This would fit: a=1."]
    builder.record = {"below_chance": {"lines": lines}, "warnings": [" ".join(lines)]}
    builder.add("daisy/1.jpg")
    seen = reported(builder.write())
    assert f"tiny {lines[0]} {lines[1]} The model was audited on" in seen.words
    assert {"class": "alert", "role": "alert"} in seen.all("div")


def test_the_unseen_border_is_given(tiny_run):
    # 80 x 60 to 64 x 48, crop 48: 10 px are cut away left and right, the band there included.
    band, cut = 80 * 60 - 68 * 48, 2 * 6 * 60 + 2 * 2 * 4 * 6
    assert f"leave out {cut / band:.0%} of the border band (10%" in reported(tiny_run).words


def test_a_run_without_masks_says_so_and_drops_the_columns(builder):
    for i in range(3):
        builder.add(
            f"daisy/{i}.jpg",
            **dict.fromkeys(("mass_object", "mass_background", "pointing_hit")),
            score_status="object=missing",
        )
    seen = reported(builder.write())
    assert "No object masks were given" in seen.words
    assert "Peak on object" not in " ".join(seen.text[: seen.text.index("Photos to look at") + 40])
    assert "object=missing 3" in seen.words


def test_warnings_and_facts_are_escaped(builder):
    builder.add("daisy/1.jpg")
    builder.record = {
        "warnings": ["<i>mind</i>"],
        "config": {"dataset": {"name": "my <set>"}},
        "timings": {"attribute": 12.3456},
        "versions": {"torch": "2.14"},
        "batch_size": {"asked": "auto", "used": 8},
    }
    seen = reported(builder.write())
    for words in (
        "<i>mind</i>",
        "my <set> · tiny",
        "attribute 12.35",
        "torch 2.14",
        "asked auto, used 8",
        "1 warning",
    ):
        assert words in seen.words


@pytest.mark.parametrize(
    ("told", "title"),
    [
        ({"model": {"name": None, "arch": "resnet50"}}, "photos · resnet50"),
        ({"model": {"name": "mine", "arch": "resnet50"}}, "photos · mine"),
        ({"model": {"factory": "a.b:c"}, "config": {"dataset": {"name": "d"}}}, "d · a.b:c"),
        ({"model": {"function": "a.b:predict"}}, "photos · a.b:predict"),
        ({"model": {"name": None, "path": "google/vit-b.16"}}, "photos · vit-b.16"),
        ({"model": {"path": "nets/net.v2.onnx"}}, "photos · net.v2"),
        ({"model": None, "config": {"dataset": {"name": None}}}, "photos"),
        ({"model": None, "dataset_root": None}, "Audit"),
    ],
)
def test_the_title_names_dataset_and_model(builder, told, title):
    builder.record = told
    seen = reported(builder.write())
    assert seen.text[seen.text.index("xai_audit report") + 2] == title


def test_many_classes_get_a_page_each(tiny_run, monkeypatch):
    monkeypatch.setattr(page, "_INLINE_CLASSES", 1)
    index = reported(tiny_run)
    check_links(index)
    assert [image["src"] for image in index.all("img")] == ["plots/masses.svg"]
    pages = sorted(tiny_run.gallery.glob("*/index.html"))
    assert len(pages) == 2
    for file, class_name in zip(pages, CLASSES, strict=True):
        seen = Page(file)
        check_links(seen)
        assert seen.all("img")
        assert class_name in seen.words


@pytest.mark.parametrize("manifest", [0, 2], ids=["nothing found", "nothing usable"])
def test_a_run_without_scores_has_a_page(builder, manifest):
    builder.manifest = [
        {"image_id": f"daisy/{i}", "status": "unreadable", "selected": False}
        for i in range(manifest)
    ]
    seen = reported(builder.write())
    check_links(seen)
    assert "No photo was scored" in seen.words


def test_one_photo_and_a_bare_run_json_are_enough(builder):
    builder.add("daisy/1.jpg")
    paths = builder.write()
    paths.run_json.write_text("{}")
    seen = reported(paths)
    check_links(seen)
    assert "audited on 1 photo of 1 class " in seen.words
    assert "2 warnings" in seen.words


def test_an_absent_value_is_an_error_and_values_are_escaped():
    templates = environment()
    assert templates.from_string("{{ x }}").render(x="<b>") == "&lt;b&gt;"
    with pytest.raises(jinja2.UndefinedError):
        templates.from_string("{{ y }}").render()
