from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.report.conftest import no_mask
from xai_audit.report.draw import draw_pictures
from xai_audit.report.facts import read_facts
from xai_audit.report.sections import strategies
from xai_audit.report.templating import environment
from xai_audit.run.reader import Run
from xai_audit.schema import CLUSTERS

GIVEN = SimpleNamespace(masks_made=False)  # of the facts of a run


def row(class_name: str, cluster: int, kind: str, **more) -> dict:
    mean = np.zeros((4, 4), np.float32)
    mean[3, 3] = 1
    found = {"class_name": class_name, "cluster": cluster, "kind": kind, "method": "gradcam"}
    found |= {"cue": None if kind == "object" or not cluster else f"cluster_{cluster}"}
    found |= {"n_images": 9, "share": 0.75, "stability": 0.9, "height": 4, "width": 4}
    found |= {"algorithm": "spectral"}
    found |= {"mean_map": mean.ravel(), "region": (mean > 0).astype(np.uint8).ravel()}
    found |= {"image_ids": ['daisy/<script>alert("1")</script>.jpg', "b", "c", "d"]}
    return {name: (found | more).get(name) for name in CLUSTERS.names}


def drawn(paths, folder) -> list[dict]:
    """The section, its pictures drawn into ``folder``."""
    run = Run(paths.root)
    found = strategies(run, read_facts(run), folder="g")
    draw_pictures(run, [s["picture"] for c in found for s in c["strategies"]], no_mask, folder)
    return found


@pytest.fixture
def clustered(tiny_run):
    rows = [
        row("tulip", 1, "object"),
        row("daisy", 1, "corner_bottom_right"),
        row("daisy", 2, "mixed", n_images=1),
        row("daisy", 0, "mixed"),
    ]
    pq.write_table(pa.Table.from_pylist(rows, CLUSTERS), tiny_run.clusters)
    return tiny_run


def test_strategies_by_class_in_the_models_order(clustered, tmp_path):
    found = drawn(clustered, tmp_path)
    assert [c["class_name"] for c in found] == ["daisy", "tulip"]
    first, second, noise = found[0]["strategies"]
    assert (first["words"], first["cue"], first["share"]) == (
        "the bottom right corner", "cluster_1", 0.75,
    )  # fmt: skip
    assert (second["words"], noise["words"]) == ("no single region", "like no other photos")
    assert found[1]["strategies"][0]["cue"] is None
    assert len(first["typical"]) == 3
    files = [s["picture"].file for c in found for s in c["strategies"]]
    assert len(set(files)) == 4
    assert all((tmp_path / file).is_file() for file in files)


def test_the_mean_map_is_drawn_where_it_lies(clustered, tmp_path):
    found = drawn(clustered, tmp_path)
    picture = found[0]["strategies"][0]["picture"]
    image = Image.open(tmp_path / picture.file)
    assert image.size == (picture.width, picture.height)
    pixels = np.asarray(image, int)
    side = len(pixels)
    assert (pixels[: side // 2, : side // 2] == 128).all()
    # plasma's most is yellow: much red and green, little blue.
    red, green, blue = pixels[side * 7 // 8, side * 7 // 8]
    assert min(red, green) > blue + 80
    # The outline: light along the region's left edge, x = 3/4, and only beside its own cell.
    assert pixels[side * 7 // 8, side * 3 // 4].min() > 200
    assert pixels[side // 8, side * 3 // 4].max() == 128


def test_no_clusters_no_section(tiny_run, tmp_path):
    assert drawn(tiny_run, tmp_path) == []
    assert (
        environment()
        .get_template("strategies.html.j2")
        .render(strategies=[], drawn=(), root="")
        .strip()
        == ""
    )


def test_the_section_escapes_and_names(clustered, tmp_path):
    found = drawn(clustered, tmp_path)
    file = found[0]["strategies"][0]["picture"].file
    html = (
        environment()
        .get_template("strategies.html.j2")
        .render(strategies=found, drawn={file}, root="../", facts=GIVEN)
    )
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "The bottom right corner" in html
    assert "<code>cluster_1</code>" in html
    assert "nan" not in html.lower().replace("strategies", "")
    assert f'src="../{file}"' in html
    assert "(1 photo)" in html
    assert "75% of the class" in html


def test_a_class_of_few_photos_has_no_stability(tiny_run, tmp_path):
    few = row("daisy", 1, "corner_bottom_right", algorithm=None, stability=None)
    many = row("tulip", 1, "corner_bottom_right")
    pq.write_table(pa.Table.from_pylist([few, many], CLUSTERS), tiny_run.clusters)
    found = drawn(tiny_run, tmp_path)
    assert [c["strategies"][0]["stability"] for c in found] == [None, pytest.approx(0.9)]
