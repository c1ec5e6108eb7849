from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from tests.report.conftest import SMALL, table
from tests.report.test_page import Page, check_links, reported
from tests.report.test_verdicts import answered
from xai_audit.report import measured
from xai_audit.report.page import write_page
from xai_audit.report.redact import redacted
from xai_audit.report.summary import write_summary
from xai_audit.run.reader import Run
from xai_audit.schema import MANIFEST

__all__ = ["answered"]
NOT_REDACTED = {"report": {"redact": False}}
CITATION = Path(__file__).resolve().parents[2] / "CITATION.cff"


def noted(paths, **keys) -> None:
    record = json.loads(paths.run_json.read_text())
    paths.run_json.write_text(json.dumps(record | keys))


def test_the_citation_is_that_of_the_repository():
    said = yaml.safe_load(CITATION.read_text(encoding="utf-8"))
    assert (said["title"], said["repository-code"]) == (measured.TITLE, measured.URL)
    assert [author["name"] for author in said["authors"]] == [measured.AUTHOR]


def test_the_page_says_how_it_was_measured(answered):
    noted(
        answered,
        seed=7,
        device="cpu",
        precision="fp32",
        versions={"xai_audit": "9.8", "python": "3.11.1", "torch": "2.7"},
        arguments=["dataset=imagefolder", "dataset.root=photos"],
        finished={
            "verdict": "2026-03-04T05:06:07+00:00",
            "score": "2026-03-03T00:00:00+00:00",
            "page": "2027-01-01T00:00:00+00:00",  # drawn later, measured before
        },
    )
    answered.model_json.write_text(json.dumps({"facts": {"weights": "0123456789abcdef" * 4}}))
    seen = reported(answered)
    check_links(seen)
    told = seen.words
    assert "Measured 2026-03-04 05:06 UTC" in told
    assert "Weights sha256 0123456789abcdef of parameters" in told
    assert "Versions xai_audit 9.8, python 3.11.1, torch 2.7" in told
    assert "Device cpu, fp32 Seed 7" in told
    assert "Command python -m xai_audit dataset=imagefolder dataset.root=photos" in told
    assert "version = {9.8}" in told
    assert "(border, background, JPEG quality); another cue can be a shortcut too" in told
    assert "2 of 6 pairs of class and cue are undetermined, which is not harmless" in told


def test_the_checksum_is_of_the_selected_photos(answered):
    def said() -> str:
        return dict(measured.measured(Run(answered.root))["rows"])["Photos"]

    rows, found = pq.read_table(answered.manifest).to_pylist(), said()
    assert found.startswith("24, sha256 ")
    left_out = rows[-1] | {"width": 1}
    pq.write_table(table([*rows[:-1], left_out], MANIFEST), answered.manifest)
    assert said() == found
    moved = rows[0] | {"class_name": "tulip"}
    pq.write_table(table([moved, *rows[1:]], MANIFEST), answered.manifest)
    assert said() != found


def test_an_old_record_says_what_it_has(answered):
    told = reported(answered).words
    assert "Measured" not in told
    assert "Weights sha256" not in told
    assert "To cite @software{xai_audit" in told


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("/home/ann/photos/a.jpg", "~/photos/a.jpg"),
        ("'/Users/ann/x'", "'~/x'"),
        ("dataset.root=/root/photos", "dataset.root=~/photos"),
        (r"C:\Users\ann\photos", r"~\photos"),
        ("/data/home/ann/photos and /rooted/x", "/data/home/ann/photos and /rooted/x"),
        ("model.kwargs.token=abc seed=0", "model.kwargs.token=*** seed=0"),
        ("https://ann:pass@host/x?y=1", "https://***@host/x?y=1"),
        ("s3://b/x?X-Amz-Signature=abc&y=1", "s3://b/x?X-Amz-Signature=***&y=1"),
        ("dataset.root=s3://AKIAKEY:secret@bucket/photos", "dataset.root=s3://***@bucket/photos"),
        ("model.kwargs={token:abc,n:1}", "model.kwargs={token:***,n:1}"),
        ("hf_" + "a" * 30, "***"),
        ("dataset.label_key=class", "dataset.label_key=class"),
    ],
)
def test_homes_and_tokens_are_replaced(text, clean):
    assert redacted(text) == clean


def test_a_record_is_cleaned_by_its_keys():
    record = {"kwargs": {"api_key": "abc", "n": 1}, "roots": ["/home/ann/x"], "token": None}
    clean = {"kwargs": {"api_key": "***", "n": 1}, "roots": ["~/x"], "token": None}
    assert redacted(record) == clean


def test_the_page_gives_no_home_and_no_token_away_unless_it_is_to(answered):
    secret, home = "hf_" + "q" * 20, "/home/ann/photos"
    noted(
        answered,
        arguments=[f"dataset.root={home}", f"model.kwargs.token={secret}"],
        warnings=[f"cannot read {home}/x.jpg"],
        config={"dataset": {"root": home}, "model": {"kwargs": {"token": secret}}},
        below_chance={"lines": [f"wrote {home}/class_to_idx.json"]},
    )
    reported(answered)
    text = answered.index_html.read_text(encoding="utf-8")
    assert "/home/ann" not in text
    assert secret not in text
    assert "dataset.root=~/photos" in text
    settings = SMALL.__class__(3, 64, 0, redact=False)
    write_page(Run(answered.root), settings)
    plain = Page(answered.index_html).words
    assert f"cannot read {home}/x.jpg" in plain
    assert secret in plain


def test_the_summary_holds_the_page_s_date_and_checksum_and_no_secret(answered):
    token = "hf_" + "a" * 20
    noted(
        answered,
        arguments=["dataset.root=/home/ada/photos", f"model.token={token}"],
        finished={"verdict": "2026-03-04T05:06:07+00:00", "page": "2027-01-01T00:00:00+00:00"},
    )
    run = Run(answered.root)
    found = write_summary(run)
    text = answered.summary_json.read_text() + answered.summary_md.read_text()
    assert "ada" not in text
    assert token not in text
    assert "~/photos" in text
    identity = found["identity"]
    shown = dict(measured.measured(run)["rows"])
    assert identity["dataset"]["listing_sha256"][:16] in shown["Photos"]
    assert identity["date"] == "2026-03-04T05:06:07+00:00"
    noted(answered, config=NOT_REDACTED)
    assert token in json.dumps(write_summary(Run(answered.root)))
