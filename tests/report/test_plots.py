"""What is drawn is what the tables say, in files of text that are the same each time."""

from __future__ import annotations

import re
import subprocess
import sys
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tests.report.test_contrast import luminance
from tests.report.test_page import check_links, reported
from tests.report.test_verdicts import EMPTY, answered, cell, finding, relied, write
from xai_audit.report.answers import Finding
from xai_audit.report.plots.canvas import COLOURS, cut, files_of, spread
from xai_audit.report.plots.carriers import MOST_POINTS, doses
from xai_audit.report.plots.forest import MOST_ROWS, forest
from xai_audit.report.plots.masses import MOST_CLASSES, masses
from xai_audit.report.plots.matrix import matrix
from xai_audit.run.reader import Run
from xai_audit.schema import BANDS

__all__ = ["answered"]
HOSTILE = ['<b> & "x"', "two\nlines", "雛菊" * 40, "$x^2$", "W" * 200, "‮txet", "--> ]]>"]
CARRIED = {
    **{"n_carriers": 6, "n_screened": 24, "carrier_share": 0.25, "carrier_share_low": 0.12},
    **{"carrier_share_high": 0.45, "carrier_pull": 0.8, "carrier_pull_low": 0.7},
    **{"carrier_pull_high": 0.85, "pull": 0.2},
}


def texts(svg: bytes) -> list[str]:
    nodes = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return ["".join(node.itertext()) for node in nodes]


def row(name: str, **masses_and_areas: tuple[float | None, float | None]) -> dict:
    """A line of the class table."""
    regions = ("object", "background", "border", "corners")
    known = dict.fromkeys(regions, (None, None)) | masses_and_areas
    return {
        "class_name": name,
        "regions": {key: {"mass": m, "area": a} for key, (m, a) in known.items()},
    }


# The forest of effects.
def test_the_forest_is_to_scale_and_sorted():
    drawn = forest(
        [
            finding("b", effect=0.5),
            finding("a", effect=0.75),
            finding("c", verdict="clear", effect=0.9),
            finding("d", verdict="undetermined", effect=None),
            finding("e", "colour", "suspected", -0.2, explained_by="corner_top_left"),
        ]
    )
    assert (drawn.left_out, drawn.unmeasured) == (0, 1)
    (axes,) = drawn.figure().axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["a · border", "b · border", "e · colour cast"]
    spans = np.array([segment[:, 0] for segment in axes.collections[0].get_segments()])
    assert spans == pytest.approx(np.array([[0.65, 0.8], [0.4, 0.55], [-0.3, -0.15]]))
    sure, other = (line.get_xydata() for line in axes.lines if line.get_marker() == "o")
    assert sure == pytest.approx(np.array([[0.75, 0], [0.5, 1]]))
    assert other == pytest.approx(np.array([[-0.2, 2]]))
    assert axes.get_xlim() == (-0.5, 1)  # down to a step of the axis
    assert axes.yaxis_inverted()  # the first on top
    comments = [text.get_text() for text in axes.texts]
    assert comments[1:] == ["confirmed", "confirmed", "due to its top left corner"]
    assert "a · border 0.75 (0.65 to 0.80), confirmed; b" in drawn.alt


def test_an_effect_without_interval_is_a_point():
    drawn = forest([Finding("a", "b", "suspected", "", "pull", 0.4, None, None, EMPTY)])
    assert drawn.rows[0].text == "a · b 0.40, suspected"
    (axes,) = drawn.figure().axes
    assert axes.collections[0].get_segments()[0][:, 0].tolist() == [0.4, 0.4]
    assert [line.get_marker() for line in axes.lines][1:] == ["D"]  # a pull


def test_the_forest_has_an_end():
    drawn = forest([finding(f"c{i:02}", effect=i / 100) for i in range(MOST_ROWS + 3)])
    assert len(drawn.rows) == MOST_ROWS
    assert drawn.left_out == 3
    assert drawn.rows[0].label == f"c{MOST_ROWS + 2} · border"
    assert drawn.alt.endswith(f"; and {MOST_ROWS - 5} more.")
    assert forest([finding(effect=None)]) is None
    assert forest([finding(verdict="clear")]) is None
    assert forest([]) is None


# Mass against area.
def test_masses_are_the_means_of_the_scores(answered):
    reported(answered)
    scores = Run(answered.root).scores
    contrast = scores[scores["target_kind"] == "contrast"]
    corners = [band for band in BANDS if band.startswith("corner_")]
    drawn = {"object": ["object"], "background": ["background"], "border": ["border"]}
    drawn |= {"corners": corners}
    expected = {
        (name, region, what): of_class[[f"{what}_{part}" for part in parts]].sum(axis=1).mean()
        for name, of_class in contrast.groupby("class_name")
        for region, parts in drawn.items()
        for what in ("area", "mass")
    }
    svg = (answered.report / "plots" / "masses.svg").read_bytes()
    assert {*drawn} <= {*texts(svg)}

    from xai_audit.report.facts import read_facts
    from xai_audit.report.tables import class_table, method_tables

    kinds = {"gradcam": "contrast"}
    run = Run(answered.root)
    (table,) = method_tables(class_table(run, kinds), kinds, read_facts(run), {})
    plot = masses(table)
    (axes,) = plot.figure().axes
    for region in drawn:
        (line,) = [line for line in axes.lines if line.get_label() == region]
        for what, values in (("area", line.get_xdata()), ("mass", line.get_ydata())):
            naive = [expected[name, region, what] for name in ("daisy", "tulip")]
            assert values == pytest.approx(naive, rel=1e-5), (region, what)


def test_of_masses_the_furthest_above_the_diagonal_are_named_and_kept():
    rows = [row(f"c{i}", object=(0.9, 0.2), border=(i / 500, 0.1)) for i in range(MOST_CLASSES + 5)]
    drawn = masses({"rows": rows})
    assert (drawn.classes, drawn.left_out) == (MOST_CLASSES, 5)
    assert [p.class_name for p in drawn.named][:2] == ["c204", "c203"]
    assert "c0" not in {p.class_name for p in drawn.points}
    assert {p.region for p in drawn.named} == {"border"}
    assert "c204, border: 41% of the relevance on 10% of the area" in drawn.alt


def test_masses_that_are_not_known_are_not_drawn():
    drawn = masses({"rows": [row("a", border=(0.3, 0.1)), row("b"), row("c", border=(0.1, None))]})
    assert [p.class_name for p in drawn.points] == ["a"]
    assert files_of(drawn)
    assert masses({"rows": [row("b")]}) is None
    assert masses({"rows": []}) is None
    assert masses(None) is None


# Dose and response.
def test_carriers_are_drawn_with_their_intervals():
    cells = [
        finding("a", "border", **CARRIED),
        finding("b", "colour", "clear", **CARRIED | {"carrier_pull": 0.5, "pull": None}),
        finding("c", "border"),
    ]
    drawn = doses(cells)
    assert [p.label for p in drawn.points] == ["a · border", "b · colour cast"]
    (axes,) = drawn.figure().axes
    (bars,) = axes.containers
    assert bars.lines[0].get_xdata().tolist() == [0.25, 0.25]
    assert bars.lines[0].get_ydata().tolist() == [0.8, 0.5]
    across, up = (np.array(lines.get_segments()) for lines in bars.lines[2])
    assert across[0, :, 0] == pytest.approx([0.12, 0.45])
    assert up[0, :, 1] == pytest.approx([0.7, 0.85])
    assert up[1, :, 1] == pytest.approx([0.5, 0.85])  # an end on the wrong side is the estimate
    (means,) = [line for line in axes.lines if line.get_marker() == "D"]
    assert (means.get_xdata().tolist(), means.get_ydata().tolist()) == ([0.25], [0.2])
    assert "a · border: 25% carry it, change 0.80" in drawn.alt


def test_carriers_without_a_share_are_no_plot():
    assert doses([finding(), finding(carrier_pull=0.5)]) is None
    known = CARRIED | dict.fromkeys([key for key in CARRIED if key[-4:] in ("_low", "high")])
    drawn = doses([finding(**known) for _ in range(MOST_POINTS + 2)])
    assert (len(drawn.points), drawn.left_out) == (MOST_POINTS, 2)
    assert drawn.points[0].share == (0.25, 0.25, 0.25)
    names = [text for text in drawn.figure().axes[0].texts if "·" in text.get_text()]
    heights = sorted(text.get_position()[1] * 400 for text in names)
    assert min(np.diff(heights)) >= 15.9  # a line of text


# Agreement.
def test_the_matrix_has_every_two_methods_both_ways_and_families_together():
    names = [f"m{n:02d}" for n in range(12)]
    families = {name: number % 3 for number, name in enumerate(names)}
    values = {
        (a, b): 0.9 if families[a] == families[b] else -0.1
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    }
    values["m00", "m01"] = float("nan")
    drawn = matrix(values)
    order = [families[name] for name in drawn.names]
    assert sum(a != b for a, b in zip(order, order[1:], strict=False)) == 2
    (axes,) = drawn.figure().axes
    numbers = {text.get_position(): text.get_text() for text in axes.texts}
    shown = [*numbers.values()]
    assert len(numbers) == 12 * 11
    assert (shown.count(".90"), shown.count("–")) == (2 * 3 * 6, 2)
    assert shown.count("-.10") == 2 * (3 * 16 - 1)
    # The number and its colour stand where row and column of its methods meet.
    for i, name in enumerate(drawn.names):
        for j, other in enumerate(drawn.names):
            if i != j:
                value = values.get((name, other), values.get((other, name)))
                expected = "–" if np.isnan(value) else f"{value:.2f}".replace("0.", ".")
                assert numbers[j + 0.5, i + 0.5] == expected
    squares = axes.collections[0]
    assert len(squares.get_paths()) == len(numbers)
    for path, colour in zip(squares.get_paths(), squares.get_facecolor(), strict=True):
        text = numbers[tuple(path.vertices[0] + 0.5)]
        assert colour[3] == pytest.approx(0 if text == "–" else 0.45 * abs(float(text)))
        assert (colour[0] > colour[2]) == text.startswith("-")  # red: against
    assert "m00 and m01 –" in drawn.alt or "m01 and m00 –" in drawn.alt
    height = Image.open(BytesIO(files_of(drawn)["agreement.png"])).height
    assert height == 2 * drawn.height


@pytest.mark.parametrize("place", [0, 1])
def test_numbers_are_read_easily_on_every_strength(place):
    ink, paper = COLOURS["ink"][place], COLOURS["paper"][place]
    for name in ("confirmed", "other"):
        for alpha in (0, 0.2, 0.45):
            both = [bytes.fromhex(each[1:]) for each in (COLOURS[name][place], paper)]
            mixed = [round(alpha * a + (1 - alpha) * b) for a, b in zip(*both, strict=True)]
            ends = sorted(map(luminance, (ink, f"#{bytes(mixed).hex()}")))
            assert (ends[1] + 0.05) / (ends[0] + 0.05) >= 4.5


@pytest.mark.parametrize("place", [0, 1])
def test_marks_stand_out_and_differ_for_the_colour_blind(place):
    """WCAG 1.4.11; reds and greens as dichromats see them (Viénot, Brettel and Mollon 1999)."""
    marks = [COLOURS[name][place] for name in ("blue", "soft", "vermilion", "purple")]
    paper = luminance(COLOURS["paper"][place])
    for mark in marks:
        ends = sorted((luminance(mark), paper))
        assert (ends[1] + 0.05) / (ends[0] + 0.05) >= 3
    linear = np.array([[int(m[i : i + 2], 16) / 255 for i in (1, 3, 5)] for m in marks]) ** 2.2
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    for seen in (protan, deutan):
        shown = np.clip(linear @ seen.T, 0, 1) ** (1 / 2.2)
        apart = np.abs(shown[:, None] - shown[None]).max(axis=-1) + np.eye(len(marks))
        assert apart.min() > 0.1


# Files.
def plots_with(name: str) -> list:
    numbers = {("gradcam", name): 0.5}
    return [
        forest([finding(name)]),
        masses({"rows": [row(name, border=(0.5, 0.1))]}),
        doses([finding(name, **CARRIED)]),
        matrix(numbers),
    ]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.filterwarnings("error")
def test_any_name_is_text_inside_the_picture(name):
    for plot in plots_with(name)[:3]:  # a method's name is the program's
        svg, png = files_of(plot).values()
        shown = texts(svg)
        begin = name.replace("\n", "\N{REPLACEMENT CHARACTER}")
        begin = begin.replace("\N{RIGHT-TO-LEFT OVERRIDE}", "\N{REPLACEMENT CHARACTER}")[:4]
        (label,) = [text for text in shown if text.startswith(begin)]
        assert label.endswith(("border", "…"))
        assert Image.open(BytesIO(png)).width == 2 * plot.width


def test_what_is_cut_fits():
    assert cut("daisy", 100) == "daisy"
    assert cut("W" * 40, 100).endswith("W…")
    assert len(cut("W" * 40, 100)) < len(cut("i" * 40, 100))
    assert cut("雛" * 10, 6 * 13) == "雛" * 5 + "…"  # a letter that the font lacks takes a square
    assert cut("x" * 10, 1) == "…"


def test_names_beside_a_plot_keep_their_order_and_distance():
    assert spread([50, 20], 10, 100) == [50, 20]
    assert spread([50, 50, 50], 10, 100) == [50, 60, 70]
    assert spread([99, 98], 10, 100) == [95, 85]
    assert spread([], 10, 100) == []
    rng = np.random.default_rng(0)
    for _ in range(20):
        wanted = rng.uniform(0, 100, 9)
        places = np.array(spread(wanted, 10, 100))
        assert (np.argsort(places) == np.argsort(wanted)).all()
        assert np.diff(np.sort(places)).min() >= 10 - 1e-9
        assert places.min() >= 0
        assert places.max() <= 95 + 1e-9


def test_the_same_plot_is_the_same_bytes_whatever_the_user_has_set():
    import matplotlib as mpl

    before = [files_of(plot) for plot in plots_with("daisy")]
    with mpl.rc_context({"font.size": 40, "axes.facecolor": "red", "backend": "svg"}):
        assert [files_of(plot) for plot in plots_with("daisy")] == before
        assert (mpl.rcParams["font.size"], mpl.rcParams["backend"]) == (40, "svg")
    assert not any(b"dc:date" in file for plot in before for file in plot.values())


def test_every_colour_has_a_dark_one():
    known = {light for light, _ in COLOURS.values()}
    for plot in plots_with("daisy"):
        svg = files_of(plot)[f"{plot.name}.svg"].decode()
        body = svg[svg.index("</style>", svg.index("prefers-color-scheme")) :]
        used = {*re.findall(r"#[0-9a-f]{6}\b", "".join(re.findall(r'style="[^"]*"', body)))}
        assert used
        assert used <= known


def test_the_page_shows_the_plots_with_words(answered):
    write(
        answered,
        [cell("daisy", "border", "confirmed", **relied(0.5), **CARRIED), cell("tulip", "border")],
    )
    seen = reported(answered)
    check_links(seen)
    shown = {
        image["src"]: image["alt"] for image in seen.all("img") if image["src"].endswith(".svg")
    }
    assert {*shown} == {f"plots/{name}.svg" for name in ("effects", "carriers", "masses")}
    assert "daisy · border 0.50 (0.43 to 0.53), confirmed" in shown["plots/effects.svg"]
    assert "25% carry it" in shown["plots/carriers.svg"]
    assert all((answered.report / src.replace("svg", "png")).is_file() for src in shown)


def test_a_page_without_a_plot_loads_no_matplotlib(tiny_run):
    code = (
        "import pkgutil, sys, xai_audit.report.plots as p\n"
        "for m in pkgutil.iter_modules(p.__path__): __import__(f'{p.__name__}.{m.name}')\n"
        "import xai_audit.cli, xai_audit.report.page, xai_audit.run.reader\n"
        "from xai_audit import load\n"
        "load(sys.argv[1]).report\n"
        "print('matplotlib' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tiny_run.root], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "False", done.stderr
