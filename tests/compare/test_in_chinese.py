"""The page of a comparison in another language."""

from __future__ import annotations

import json
import re

import pyarrow.parquet as pq
import pytest

from tests import tiny
from tests.report.test_language import ENGLISH_WORDS
from xai_audit.compare.comparison import compare
from xai_audit.compare.words import _because
from xai_audit.language import speaking
from xai_audit.report.catalogue import language
from xai_audit.report.retold import retold
from xai_audit.run.reader import Run
from xai_audit.schema import CARRIER_PULL, PULL, RELIANCE, WHOLE


def shown(page) -> str:
    text = re.sub(r"<style\b.*?</style>", "", page.read_text(encoding="utf-8"), flags=re.S)
    labels = re.findall(r'(?:aria-label|title|alt)="([^"]*)"', text)
    return " ".join([re.sub(r"<[^>]*>", "|", text), *labels])


def in_chinese(run):
    record = json.loads(run.paths.run_json.read_text())
    config = record.get("config", {}) | {"report": {"language": "zh"}}
    run.paths.run_json.write_text(json.dumps(record | {"config": config}))
    return Run(run.root)


def test_the_page_speaks_the_language_of_the_first_report(cured, tmp_path):
    before, after = cured
    found = compare([in_chinese(before), after])
    page = found.save(tmp_path / "zh")
    text = shown(page)
    assert 'lang="zh-Hans"' in page.read_text(encoding="utf-8")
    assert ENGLISH_WORDS.findall(text) == []
    for words in (
        "已证实的 2 项中有 1 项已消失：rose 取决于其边框；仍有 1 项：rose 取决于其背景（无变化）；",
        "新出现 1 项：tulip 取决于其corner。",  # no cue of ours
        "准确率从 97.9% 变为 97.9%（0.0 个百分点，95 % 置信区间 ",
        "48 张共有照片中，有 2 张的预测不同",
        "失去该线索的代价减少 0.",
        "依据两个模型都测过的 8 个移植对。",
        "不明确：1 项，在两次审计中均未证实",
    ):
        assert words in text
    assert "1 of 2 confirmed cells is gone" in repr(found)  # the log stays English
    assert "fell by" in pq.read_table(tmp_path / "zh/comparison.parquet")["because"][0].as_py()
    english = shown(found.save(tmp_path / "en", language="en"))
    assert "1 of 2 confirmed cells is gone" in english
    assert not re.search(r"[\u4e00-\u9fff]", english)


def test_the_command_takes_a_language(cured):
    folders = [str(run.root) for run in cured]
    done = tiny.audit(["compare", *folders, "report.language=zh"])
    assert done.returncode == 0, done.stderr
    page = cured[1].root.parent / "comparison" / "index.html"
    assert "比较的依据" in page.read_text(encoding="utf-8")
    done = tiny.audit(["compare", *folders, "report.language=fr"])
    assert done.returncode == 2
    assert "no such language: report.language | expected en, zh | got fr" in done.stderr


@pytest.mark.parametrize("question", [RELIANCE, PULL, WHOLE, CARRIER_PULL])
@pytest.mark.parametrize("value", [0.5, -0.5, 0.0])
@pytest.mark.parametrize("compared", ["pairs", "images", "unpaired", None])
@pytest.mark.parametrize("low", [-0.1, float("nan")])
def test_every_reason_is_told_with_its_numbers(question, value, compared, low):
    row = {"verdict_reference": "confirmed", "verdict": "clear", "word": "no change"}
    row |= {"question": question, "difference": value, "difference_low": low}
    row |= {"difference_high": 0.75, "compared": compared, "n_compared": 8, "n_reference": 3}
    reason = _because(row | {"n_run": 4, "run": "after; the cure"}, "before")
    with speaking(language("zh")):
        words = retold(reason)
    assert not ENGLISH_WORDS.search(words.replace("after; the cure", "")), words
    number = re.compile(r"[−+]?\d+\.?\d*")
    assert sorted(number.findall(words)) == sorted(number.findall(reason))
    with speaking(language("zh")):
        alone = retold(_because(row | {"verdict": None}, "before, after"))
    assert alone == "只有 before, after 有这一项。"
