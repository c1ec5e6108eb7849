from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from xai_audit.errors import OutputError
from xai_audit.run.reader import Run
from xai_audit.run.tables import TABLES
from xai_audit.schema import EVIDENCE, MANIFEST, SCORES, STATUSES, TRANSPLANTS


def table(rows, schema) -> pa.Table:
    return pa.Table.from_pylist(
        [{name: row.get(name) for name in schema.names} for row in rows], schema
    )


@pytest.fixture
def folder(tmp_path):
    """A half-finished run: index, attribute and score have run."""
    noted = dict.fromkeys(("index", "attribute", "score"), "f")
    (tmp_path / "run.json").write_text(json.dumps({"fingerprints": noted, "config": {"seed": 3}}))
    rows = [
        {"image_id": f"c/{i}.jpg", "class_name": "c", "status": "ok", "selected": True}
        for i in range(4)
    ]
    pq.write_table(table(rows, MANIFEST), tmp_path / "manifest.parquet")
    (tmp_path / "scores").mkdir()
    for part in range(2):
        scored = [{"image_id": f"c/{2 * part + i}.jpg", "mass_border": 0.25 * i} for i in range(2)]
        pq.write_table(table(scored, SCORES), tmp_path / "scores" / f"part-{part:05d}.parquet")
    return tmp_path


def evidence(folder, *rows) -> None:
    content = json.loads((folder / "run.json").read_text())
    content["fingerprints"]["verdict"] = "f"
    (folder / "run.json").write_text(json.dumps(content))
    pq.write_table(table(rows, EVIDENCE), folder / "evidence.parquet")


def test_tables_are_frames_with_the_columns_of_the_schema(folder):
    run = Run(folder)
    assert run.config == {"seed": 3}
    assert run.manifest.columns.tolist() == MANIFEST.names
    assert run.manifest["image_id"].tolist() == [f"c/{i}.jpg" for i in range(4)]
    assert run.scores.columns.tolist() == SCORES.names
    assert run.scores["mass_border"].tolist() == [0.0, 0.25, 0.0, 0.25]


def test_a_scan_reads_some_columns_of_some_rows(folder):
    frames = [*Run(str(folder)).scan("scores", ["image_id"], ds.field("mass_border") > 0.1)]
    found = pd.concat(frames)
    assert found.to_dict("list") == {"image_id": ["c/1.jpg", "c/3.jpg"]}


@pytest.mark.parametrize("name", [*TABLES])
def test_every_table_has_a_place_and_a_name(folder, name):
    run = Run(folder)
    assert hasattr(run.paths, name)
    if name != "agreement_images":
        assert isinstance(getattr(Run, name), property) or hasattr(Run, name)
    assert run.has(name) == (name in ("manifest", "attributions", "scores"))


def test_a_finished_stage_without_an_image_has_an_empty_table(folder):
    assert Run(folder).attributions.empty
    assert "heatmap" in Run(folder).attributions.columns


def test_a_missing_table_names_the_stage_that_writes_it(folder):
    with pytest.raises(OutputError) as caught:
        _ = Run(folder).evidence
    place = folder / "evidence.parquet"
    assert str(caught.value) == (
        f"a table of this run is missing: {place} | "
        "remedy: add evidence to stages and run the same command again"
    )


def test_a_table_of_other_scores_is_refused(folder):
    evidence(folder, {"class_name": "c", "cue": "border", "verdict": "clear", "because": "So."})
    content = json.loads((folder / "run.json").read_text())
    del content["fingerprints"]["verdict"]
    (folder / "run.json").write_text(json.dumps(content))
    assert not Run(folder).has("evidence")
    with pytest.raises(OutputError, match=r"out of date: .*evidence\.parquet \| remedy: add evid"):
        _ = Run(folder).evidence


@pytest.mark.parametrize("content", [b"no table", b""])
def test_a_broken_table_is_named(folder, content):
    evidence(folder)
    (folder / "evidence.parquet").write_bytes(content)
    with pytest.raises(OutputError, match=r"cannot be read: .*evidence\.parquet \| got") as caught:
        _ = Run(folder).evidence
    assert "\n" not in str(caught.value)
    (folder / "scores" / "part-00001.parquet").write_bytes(content)
    with pytest.raises(OutputError, match=r"a table of this run cannot be read: .*scores"):
        _ = Run(folder).scores


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"holds no run: .* \| expected a run\.json in it \| got"):
        Run(tmp_path)
    with pytest.raises(OutputError, match="got no such folder"):
        Run(tmp_path / "nowhere")


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_broken_record_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(OutputError, match=r"record of this run .*run\.json \| expected .* \| got"):
        Run(tmp_path)


def test_statuses_replace_what_the_index_said(folder):
    found = [{"image_id": "c/2.jpg", "status": "corrupt", "error": "half a file"}]
    pq.write_table(table(found, STATUSES), folder / "statuses.parquet")
    run = Run(folder)
    assert run.manifest["image_id"].tolist() == [f"c/{i}.jpg" for i in range(4)]
    assert run.manifest["status"].tolist() == ["ok", "ok", "corrupt", "ok"]
    assert run.manifest["error"].fillna("").tolist() == ["", "", "half a file", ""]
    usable = [*run.scan("manifest", ["image_id"], ds.field("status") == "ok")]
    assert pd.concat(usable)["image_id"].tolist() == ["c/0.jpg", "c/1.jpg", "c/3.jpg"]
    (folder / "statuses.parquet").write_bytes(b"no table")
    with pytest.raises(OutputError, match=r"cannot be read: .*statuses\.parquet"):
        _ = Run(folder).manifest


def test_transplants_are_those_of_single_cues_and_of_joint_ones(folder):
    (folder / "transplants").mkdir()
    for name, given in (("part-00000", None), ("joint-00000", "border")):
        row = {"class_name": "c", "cue": "x", "question": "pull", "image_id": "i", "given": given}
        pq.write_table(table([row], TRANSPLANTS), folder / "transplants" / f"{name}.parquet")
    assert Run(folder).transplants["given"].fillna("").tolist() == ["", "border"]


def test_verdicts_are_one_row_a_class_and_cue_the_gravest_first(folder):
    def row(cue, verdict, method="m", **more):
        base = {"class_name": "c", "cue": cue, "method": method, "verdict": verdict}
        return base | {"because": f"{cue} {method}"} | more

    pull = {"pull": 0.5, "pull_low": 0.4, "pull_high": 0.6}
    reliance = {"reliance": 0.3, "reliance_low": 0.1, "reliance_high": 0.5}
    evidence(
        folder,
        row("small", "confirmed", **reliance, question="reliance"),
        row("clean", "clear", **reliance),
        row("open", "undetermined", **pull),
        row("large", "clear", method="a", **reliance | pull, question="pull"),
        row("large", "confirmed", method="b", **reliance | pull, question="pull"),
    )
    found = Run(folder).verdicts
    assert found["cue"].tolist() == ["large", "small", "open", "clean"]
    assert found["because"].tolist() == ["large b", "small m", "open m", "clean m"]
    assert found["effect"].tolist() == pytest.approx([0.5, 0.3, 0.5, 0.3])
    assert found["effect_low"].tolist() == pytest.approx([0.4, 0.1, 0.4, 0.1])
    assert found["question"].fillna("").tolist() == ["pull", "reliance", "", ""]
    assert found.columns.tolist() == [
        *("class_name", "cue", "verdict", "effect", "effect_low", "effect_high"),
        *("question", "explained_by", "because"),
    ]


def test_reading_a_run_loads_no_torch(folder):
    code = (
        "import sys\nfrom xai_audit.run.reader import Run\n"
        "assert len(Run(sys.argv[1]).manifest) == 4\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
