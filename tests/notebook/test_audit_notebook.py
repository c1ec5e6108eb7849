"""The notebook beside this file, run by a kernel of its own on the finished demo."""

from __future__ import annotations

from pathlib import Path

import pytest

from xai_audit.run.reader import Run

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(1600)]

NOTEBOOK = Path(__file__).with_name("audit.ipynb")


def outputs(cell, kind):
    return [o.data[kind] for o in cell.outputs if kind in o.get("data", {})]


def test_every_cell_shows_what_it_says(demo):
    run = Run(demo[1])
    made = [file.stat().st_mtime_ns for file in run.root.rglob("part-*.parquet")]
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = str(demo[1].parents[3])
    client = nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": place}})
    client.execute()
    audit, answer, proof, photo, table, shape = (c for c in notebook.cells if c.cell_type == "code")
    # It is the command's own audit, of which nothing is made again.
    assert made == [file.stat().st_mtime_ns for file in run.root.rglob("part-*.parquet")]
    assert not [o for o in audit.outputs if "data" in o]
    (page,) = outputs(answer, "text/html")
    assert "marguerite" in page
    assert "accuracy" in page
    for cell in (proof, photo):
        assert outputs(cell, "text/html")[0].count("data:image/png;base64,") == 1
    worst = run.verdicts.iloc[0]
    assert worst["class_name"] in outputs(table, "text/html")[0]
    height, width = run.manifest.set_index("image_id").loc[
        "daisy/daisy_012.jpg", ["height", "width"]
    ]
    assert outputs(shape, "text/plain") == [f"({height}, {width})"]
