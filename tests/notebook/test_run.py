"""What a notebook shows of a run: against a slow heatmap, and the model asked again."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import xai_audit
from tests import tiny
from xai_audit.errors import ConfigError, OutputError
from xai_audit.notebook.photo import audit_of
from xai_audit.notebook.shown import Shown
from xai_audit.report import answers
from xai_audit.report.draw import draw_pictures
from xai_audit.report.facts import read_facts
from xai_audit.report.pairs import drawn_pairs, view_of
from xai_audit.report.picture import ReportSettings
from xai_audit.report.proof import proofs
from xai_audit.run.verdicts import kinds_of_run

pytestmark = pytest.mark.xdist_group("notebook")

CELL = ("circle", "border")
PHOTO = "square/0003.jpg"  # 96 x 129 px: cropped left and right


@pytest.fixture(scope="module")
def run(two_methods):
    return xai_audit.load(two_methods)


def stored(run, image_id, method, target):
    rows = run.attributions
    mine = rows[(rows["image_id"] == image_id) & (rows["method"] == method)]
    (row,) = mine[mine["target_kind"] == target].to_dict("records")
    shape = row["heatmap_height"], row["heatmap_width"]
    return np.array(row["heatmap"], np.float64).reshape(shape)


@pytest.mark.parametrize("method", ["gradcam", "saliency"])
def test_a_heatmap_lies_where_the_model_saw_it(run, method):
    """Pixel by pixel: to the view of 64 px within 72, then between the four cells around."""
    found = run.heatmap(PHOTO, method=method, target="label")
    with Image.open(tiny_photo(run)) as image:
        width, height = image.size
    assert (found.shape, found.dtype) == ((height, width), np.float32)
    grid = stored(run, PHOTO, method, "label")
    scale = 72 / min(height, width)
    wide, tall = int(72 * width / min(height, width)), int(72 * height / min(height, width))
    left, top = round((wide - 64) / 2), round((tall - 64) / 2)
    cells = grid.shape[0]
    for y, x in [(0, 0), (height // 2, width // 2), (9, 30), (height - 12, width // 3)]:
        at = np.array([(y + 0.5) * tall / height - top, (x + 0.5) * wide / width - left])
        if not ((at >= 0) & (at < 64)).all():
            assert np.isnan(found[y, x])
            continue
        v, u = np.clip(at * cells / 64 - 0.5, 0, cells - 1)
        j, i = int(v), int(u)
        j1, i1 = min(j + 1, cells - 1), min(i + 1, cells - 1)
        upper = grid[j, i] * (1 - (u - i)) + grid[j, i1] * (u - i)
        lower = grid[j1, i] * (1 - (u - i)) + grid[j1, i1] * (u - i)
        assert found[y, x] == pytest.approx(upper * (1 - (v - j)) + lower * (v - j), rel=1e-4)
    seen = ~np.isnan(found)
    assert scale * seen.any(0).sum() == pytest.approx(64, abs=1.5)
    assert scale * seen.any(1).sum() == pytest.approx(64, abs=1.5)


def tiny_photo(run):
    return Path(run.record["dataset_root"], PHOTO)


def test_a_photo_with_its_heatmap_and_numbers(run):
    shown = run.show(PHOTO)
    assert shown.title == PHOTO
    assert shown.labels == ("photo", "gradcam, contrast")
    row = run.scores.query("image_id == @PHOTO and method == 'gradcam'")
    row = row[row["target_kind"] == "contrast"]
    assert f"border {row.mass_border.iloc[0]:.0%}" in shown.rows["relevance"]
    assert f"{row.confidence.iloc[0]:.0%}" in shown.rows["class → predicted"]
    assert shown.image.width > 2 * 280 > shown.image.height
    pixels = np.asarray(shown.image.convert("RGB"), float)
    half = pixels.shape[1] // 2
    assert np.abs(pixels[:, : half - 3] - pixels[:, half + 3 :]).mean() > 5  # two pictures
    other = run.show(PHOTO, method="saliency", target="label")
    assert other.labels == ("photo", "saliency, label")
    assert str(other).startswith(f"{PHOTO}\n  class → predicted: ")


def test_a_proof_is_what_the_model_was_asked(run):
    """The panels through the network give the probabilities that the table has."""
    rows = run.transplants.query("class_name == 'circle' and cue == 'border'")
    rows = rows[rows["question"] == "reliance"].dropna(subset=["p_with", "p_without"])
    fall = (rows["p_with"] - rows["p_without"]).sort_values(ascending=False)
    worst = rows.loc[fall.index[:3]]
    shown = run.show(cue="border", class_name="circle")
    assert shown.labels == ("as it is", "with a circle's border", "with that of another class")
    assert shown.rows["photos"] == ", ".join(worst["image_id"])
    net, panels = tiny.net().eval(), np.asarray(shown.image)
    for number, row in enumerate(worst.itertuples()):
        top = number * (64 + 6)
        for place, expected in ((1, row.p_with), (2, row.p_without)):
            left = place * (64 + 6)
            view = torch.from_numpy(panels[top : top + 64, left : left + 64].copy())
            mean, std = (torch.tensor(v) for v in preprocess(run))
            image = (view.permute(2, 0, 1) / 255 - mean[:, None, None]) / std[:, None, None]
            with torch.no_grad():
                p = net(image[None].float()).softmax(1)[0, 0].item()
            assert p == pytest.approx(expected, abs=1e-4)


def test_the_report_shows_what_a_pair_was_measured_on(run, tmp_path):
    """The three views of a proof are the notebook's of the same pair."""
    audit, facts = audit_of(run), read_facts(run)
    (found,) = (f for f in answers.read_findings(run) if (f.class_name, f.cue) == CELL)
    proof = proofs(
        *(run, [replace(found, question="reliance")], kinds_of_run(run)),
        facts=facts, settings=ReportSettings(12, 320, 0), folder="plots",
    )[CELL]  # fmt: skip
    pictures = [panel.picture for panel in proof.panels]
    assert draw_pictures(run, pictures, lambda _: None, tmp_path, view_of=view_of(audit)) == 3
    ((_, panels),) = drawn_pairs(audit, [pictures[0].motif.pair])
    plain, *views = (np.asarray(view, float) for view in panels)
    changed = (views[0] != views[1]).any(2)
    shown = []
    for picture in pictures:
        with Image.open(tmp_path / picture.file) as file:
            assert file.size == (picture.width, picture.height) == panels[0].size
            shown.append(np.asarray(file, float))
    assert np.abs(shown[0] - plain).mean() < 8  # it is a JPEG
    for end in (0, 1):
        off = [np.abs(shown[1 + end] - view)[changed].mean() for view in views]
        assert off[end] < off[1 - end]


def test_a_pull_is_shown_on_photos_of_other_classes(run, monkeypatch):
    (found,) = (f for f in answers.read_findings(run) if f.class_name == "circle")
    monkeypatch.setattr(
        "xai_audit.notebook.proof.read_findings", lambda _: [replace(found, question="pull")]
    )
    shown = run.show(cue="border", class_name="circle")
    assert shown.labels == ("as it is", "with a circle's border", "with that of its own class")
    assert "circle/" not in shown.rows["photos"]


def preprocess(run):
    return run.record["preprocess"]["mean"], run.record["preprocess"]["std"]


def test_relative_paths_start_where_the_run_was_started(folder, tmp_path):
    """And a part of an audit is shown as far as it goes: without flags, and out of the sample."""
    words = tiny.overrides(folder, tmp_path / "out", "stages=[index,attribute,score]", "limit=9")
    relative = [word.replace(f"{folder}/", "") for word in words]
    done = tiny.audit_process(relative, cwd=folder, timeout=300)
    assert done.returncode == 0, done.stderr
    run = xai_audit.load(tmp_path / "out")
    used = run.manifest[run.manifest["selected"]]["image_id"]
    assert len(used) == 9
    seen = run.scores.query("mass_object > 0 and target_kind == 'contrast'")
    shown = run.show(seen["image_id"].iloc[0])
    plain = np.asarray(shown.image)[:, shown.image.width // 2 :]
    assert "object" in shown.rows["relevance"]  # its mask was found
    assert (plain == 250).all(-1).sum() > 100  # and its edge drawn
    other = next(one for one in run.manifest["image_id"] if one not in {*used})
    assert run.show(other).labels == ("photo", "no heatmap")


def test_a_run_displays_its_answer(run):
    text, html = repr(run), run._repr_html_()
    (found,) = {name for name in ("No class", "of 3 classes", "could not be") if name in text}
    assert found in html
    right = run.scores.drop_duplicates("image_id")
    assert f"accuracy {(right.label == right.pred).mean():.1%} of 18 photos" in text
    assert f"accuracy {(right.label == right.pred).mean():.1%} of 18 photos" in html
    counts = run.verdicts["verdict"].value_counts()
    assert all(f"{count} {verdict}" in text for verdict, count in counts.items())


def test_names_of_any_kind_are_text(run, monkeypatch):
    finding = answers.read_findings(run)[0]
    bad = replace(finding, class_name="<script>x</script>", verdict="confirmed", because="<b>")
    monkeypatch.setattr("xai_audit.report.in_short.read_findings", lambda _: [bad])
    html = run._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    shown = Shown("<i>", Image.new("RGB", (2, 2)), {"<b>": "<u>"}, ("<p>",))._repr_html_()
    assert not {"<i>", "<b>", "<u>", "<p>"} & {shown[at : at + 3] for at in range(len(shown))}


def test_a_picture_is_a_file_too(run, tmp_path):
    shown = run.show(PHOTO)
    shown.save(tmp_path / "shown.png")
    with (
        Image.open(tmp_path / "shown.png") as image,
        Image.open(io.BytesIO(shown._repr_png_())) as same,
    ):
        assert image.size == same.size == shown.image.size


def test_the_report_opens(run, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    run.report.open()
    assert opened == [run.report.path.absolute().as_uri()]


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda run: run.show(), ConfigError, "expected an image_id, or cue and class_name"),
        (lambda run: run.show(PHOTO, cue="border"), ConfigError, "not clear"),
        (lambda run: run.show("square/3.jpg"), OutputError, "expected an image_id of its manifest"),
        (lambda run: run.heatmap(PHOTO, method="lime"), OutputError, "one of gradcam, saliency"),
        (lambda run: run.heatmap(PHOTO, target="x"), OutputError, "no heatmap of this photo"),
        (lambda run: run.show(cue="x", class_name="circle"), OutputError, "no such cell"),
    ],
)
def test_a_wrong_wish_is_one_line(run, ask, error, words):
    with pytest.raises(error) as caught:
        ask(run)
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_neither_answer_nor_photo_loads_torch(run):
    code = (
        "import sys, xai_audit\n"
        f"run = xai_audit.load({str(run.root)!r})\n"
        f"repr(run), run._repr_html_(), run.show({PHOTO!r}), run.heatmap({PHOTO!r})\n"
        "print([name for name in ('torch', 'captum', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tiny.REPO
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_a_lazy_table_is_the_table(run, tmp_path):
    """All rows of a table in parts, some of it, a single file, and one without a part."""
    polars = pytest.importorskip("polars")
    wanted = run.scores
    frame = run.lazy("scores")
    assert isinstance(frame, polars.LazyFrame)
    found = frame.collect().to_pandas()
    assert list(found.columns) == list(wanted.columns)
    assert found["image_id"].tolist() == wanted["image_id"].tolist()
    np.testing.assert_array_equal(found["mass_border"], wanted["mass_border"].astype(float))
    some = frame.filter(polars.col("target_kind") == "label").select("pred").collect()
    assert len(some) == (wanted["target_kind"] == "label").sum()
    assert len(run.lazy("evidence").collect()) == len(run.evidence)
    adversarial = run.lazy("adversarial")
    assert adversarial.collect_schema().names() == list(run.adversarial.columns)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(OutputError, match="a table of this run is missing"):
        xai_audit.load(tmp_path).lazy("evidence")


def test_polars_is_an_extra(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(OutputError, match=r"polars is not installed: lazy .*xai-audit\[polars\]"):
        run.lazy("scores")
