"""The report in another language: its catalogue, its pages, and the sentences that tables keep."""

from __future__ import annotations

import json
import logging
import re

import pytest

from tests import catalogue
from tests.evidence.test_because import ENDS, NAN, NONE, told
from tests.report.conftest import reported, write_cells
from tests.report.test_augmentation import blurs, changed, flips, turns
from tests.report.test_page import Page
from xai_audit.language import ENGLISH, say, speaking, spoken
from xai_audit.report.catalogue import catalogue_of, in_language_of, language, read_po
from xai_audit.report.plots import fonts
from xai_audit.report.retold import retold
from xai_audit.report.summary import write_summary
from xai_audit.report.sweep import write_sweep
from xai_audit.report.templating import environment
from xai_audit.run.reader import Run
from xai_audit.run.verdicts import cue_words, marked

ZH = language("zh")
# Three words of English in a row; names of files, keys, methods and papers are none.
ENGLISH_WORDS = re.compile(r"[A-Za-z]{2,}(?: [A-Za-z]{2,}){2,}")


def test_every_word_has_its_translation_and_none_is_left_over():
    entries = [e for e in read_po(catalogue_of("zh").read_text(encoding="utf-8")) if e.english]
    assert {(e.context, e.english, e.plural) for e in entries} == {
        key[:3] for key in catalogue.keys().values()
    }, "python -m tests.catalogue brings the catalogue up to date"
    assert [e.english for e in entries if not e.words] == []
    assert len({(e.context, e.english) for e in entries}) == len(entries)


def test_a_translation_has_the_placeholders_and_tags_of_its_english():
    def parts(text, pattern):
        return sorted({*re.findall(pattern, text)})

    for entry in read_po(catalogue_of("zh").read_text(encoding="utf-8")):
        for pattern in (r"\{(\w+)", r"</?\w+[^>]*>"):
            assert parts(entry.words, pattern) == parts(entry.plural or entry.english, pattern) or (
                not entry.english
            ), entry.english


def test_the_catalogue_is_written_as_it_is_read():
    path = catalogue_of("zh")
    text = path.read_text(encoding="utf-8")
    said = catalogue.keys()
    files = {(key.context, key.english): key.file for key in said.values()}
    entries = [entry for entry in read_po(text) if entry.english]
    assert catalogue.rendered("zh", entries, files) == text


@pytest.mark.parametrize("cue", ["border", "jpeg_quality", "stamp", "cluster_2"])
def test_a_cue_is_said_in_the_language_of_the_context(cue):
    with speaking(ZH):
        assert re.search(r"[\u4e00-\u9fff]", cue_words(cue))
    assert spoken() == ENGLISH
    assert cue_words("border") == "border"


SENTENCES = [
    told("confirmed"),
    told("confirmed", **NONE | {"question": "pull"}),
    told("confirmed", cue="jpeg_quality", way="down", measured_on="others"),
    told("confirmed", cue="stamp", way="added", measured_on="others", scrambled=0.4),
    told("suspected", cue="background", explained_by="corner_top_right"),
    told("suspected", **NONE),
    told("available", **NONE),
    told("available", cue="file", way="none"),
    told("clear", **NONE),
    told("clear", **NONE | {"attention": NAN, "availability": NAN}),
    told("undetermined", n_images=3, n_read=4),
    told("undetermined", **ENDS | {"reliance": 0.1}),
    told("undetermined", why="1 usable photo of this class; 8 are needed"),
    told("confirmed", masks_made=True),
    told("undetermined", n_images=3, n_read=4, masks_made=True),
]


@pytest.mark.parametrize("text", SENTENCES)
def test_a_kept_sentence_is_told_with_its_numbers(text):
    assert retold(text) == text
    with speaking(ZH):
        words = retold(text)
    assert not ENGLISH_WORDS.search(words), words
    numbers = re.compile(r"\d+\.?\d*%?")
    left = "95" if "95 %" in text else None
    assert {*numbers.findall(words)} - {left} == {*numbers.findall(text)} - {left}


@pytest.mark.parametrize("stop", [".", ""])
def test_the_mark_of_made_masks_stands_before_the_full_stop(stop):
    kept = marked(f"The border alone tells daisy (AUROC 0.91){stop}", True)
    assert kept.endswith(f"(AUROC 0.91) (by masks that a network made){stop}")
    mark = "（依据网络生成的掩膜）"
    with speaking(ZH):
        assert marked("准确率。", True) == f"准确率{mark}。"
        assert marked("", True) == mark
        assert marked("准确率。", False) == "准确率。"
        if stop:
            assert retold(kept) == f"仅凭边框就能区分“daisy”（AUROC 0.91）{mark}。"


def test_a_mark_in_a_template_leaves_the_tags_of_its_sentence():
    with speaking(ZH):
        text = environment().from_string("{{ say('As a file:') | marked(made) }}").render(made=True)
        assert text == f"{say('As a file:')}（依据网络生成的掩膜）"
    tagged = (
        "{{ say('<b>{name}</b>: {title} in {number} of {total} photos.', name=name, title='t', "
    )
    tagged += "number=1, total=2) | marked(true) }}"
    text = environment().from_string(tagged).render(name="<i>")
    assert text == "<b>&lt;i&gt;</b>: t in 1 of 2 photos (by masks that a network made)."


@pytest.mark.parametrize("name", ["day by day", "a. b", "x (95 % interval)", "and, or", "菊 花"])
def test_a_class_may_be_called_anything(name):
    text = told("confirmed", class_name=name)
    with speaking(ZH):
        words = retold(text)
    assert f"“{name}”的概率降低 0.81" in words
    assert f"仅凭边框就能区分“{name}”" in words


def test_what_no_key_fits_stays_as_it_is():
    text = "A plugin of yours said this. The border alone tells daisy (AUROC 0.91)."
    with speaking(ZH):
        assert retold(text) == (
            "A plugin of yours said this. 仅凭边框就能区分“daisy”（AUROC 0.91）。"
        )


def test_the_page_is_in_chinese(tiny_run):
    tiny_run.run_json.write_text(
        json.dumps(
            json.loads(tiny_run.run_json.read_text())
            | {"config": {"report": {"language": "zh"}}}
            | {"masks": {"origin": "made", "by": "auto", "made": 9, "refused": {"mask_empty": 1}}}
        )
    )
    changed(tiny_run, [*flips(), *turns(), *blurs()])
    with in_language_of(Run(tiny_run.root)):
        run = reported(tiny_run)
    write_summary(run)
    page = Page(tiny_run.index_html)
    assert dict(page.tags[0][1] if page.tags[0][0] == "html" else {})["lang"] == "zh-Hans"
    shown = re.sub(r"<(style|script|code|pre)\b.*?</\1>", "", page.file.read_text(), flags=re.S)
    labels = [v for _, attrs in page.tags for k, v in attrs.items() if k in ("alt", "title")]
    text = " ".join([re.sub(r"<[^>]*>", "|", shown), *map(str, labels)])
    assert ENGLISH_WORDS.findall(text) == []
    assert "错误，置信度 77%" in text
    assert "由网络 auto 生成，并非用户提供：9 张照片；没有掩膜的：1 mask_empty" in text
    assert "物体（在掩膜已知时）（依据网络生成的掩膜）" in text
    assert (
        "在 4 张照片中，旋转（30°）时有 2 张的决定改变，模糊（1.5 px）时有 1 张；左右翻转时没有"
        in text
    )
    assert "## 模型判断正确" in tiny_run.summary_md.read_text(encoding="utf-8")
    kept = json.loads(tiny_run.summary_json.read_text(encoding="utf-8"))
    assert kept["answer"].startswith("1 of 2 classes is decided by something other than the object")


def test_the_page_of_a_sweep_is_in_chinese(tiny_run, tmp_path):
    write_cells(tiny_run, {"daisy": "confirmed", "tulip": "clear"}, "daisy/7.jpg")
    record = json.loads(tiny_run.run_json.read_text())
    record["config"] = {"report": {"language": "zh"}}
    tiny_run.run_json.write_text(json.dumps(record))
    members = {"seed=0": tiny_run.root, "seed=1": tmp_path / "failed"}
    write_sweep(tmp_path / "sweep.html", members)
    page = Page(tmp_path / "sweep.html")
    assert page.tags[0][1]["lang"] == "zh-Hans"
    assert ENGLISH_WORDS.findall(page.words.rpartition("}")[2]) == []  # of the styles
    assert "一次参数扫描中的 2 次审计" in page.words
    assert "seed=0 87.5% daisy：边框 seed=1 – 尚无判定" in page.words
    write_sweep(tmp_path / "sweep.html", dict(reversed(members.items())))
    assert "2 audits of one sweep" in Page(tmp_path / "sweep.html").words


def test_without_a_font_a_plot_stays_english_and_the_log_says_so_once(monkeypatch, caplog):
    fonts._has_font.cache_clear()
    monkeypatch.setattr(fonts, "_CHINESE", ("No such font",))
    with speaking(ZH), caplog.at_level(logging.INFO, "xai_audit"):
        assert fonts.drawn_language() == fonts.drawn_language() == ENGLISH
    assert len(caplog.records) == 1
    fonts._has_font.cache_clear()
    monkeypatch.setattr(fonts, "_CHINESE", ("DejaVu Sans",))
    with speaking(ZH), speaking(fonts.drawn_language()):
        assert say("Mass: share of the relevance") == "份额：占相关性的份额"
    fonts._has_font.cache_clear()
