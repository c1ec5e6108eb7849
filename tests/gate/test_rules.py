"""Each rule in each group, by intervals that are given."""

from __future__ import annotations

import math
import re
from datetime import date

import numpy as np
import pytest
from scipy.stats import binomtest

from tests.compare.runs import MadeUp, around
from tests.gate.runs import CLASSES, cell, effect, made
from xai_audit.config.nodes import GateConfig
from xai_audit.errors import ConfigError, OutputError
from xai_audit.gate.judge import is_asked, judged
from xai_audit.run.reader import Run
from xai_audit.statistics.shares import wilson_interval

SURE, UNSURE = effect(0.8, 0.1), effect(0.2, 0.1)
CLEAR = [cell(name) for name in CLASSES]
CONFIRMED = [*CLEAR, cell("daisy", "colour", "confirmed", **SURE)]
OPEN = [*CLEAR, cell("daisy", "colour", "undetermined", **UNSURE)]
NONE_KNOWN = [cell("daisy", verdict="undetermined")]


def only(paths, **keys):
    """The one outcome of a gate of one rule."""
    (found,) = judged(Run(paths.root), GateConfig(**keys), date(2026, 1, 1)).outcomes
    return found


@pytest.mark.parametrize("count", [1, 7, 60, 1000])
@pytest.mark.parametrize("share", [0.0, 0.03, 0.5, 1.0])
def test_the_interval_of_a_share_is_wilsons(share, count):
    hits = round(share * count)
    known = binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson_interval(hits / count, count) == pytest.approx((known.low, known.high), abs=1e-12)
    assert all(map(math.isnan, wilson_interval(0.0, 0)))


@pytest.mark.parametrize(
    ("cells", "keys", "group", "said"),
    [
        (CLEAR, {"max_confirmed": 0}, "passed", "0 confirmed"),
        (
            CONFIRMED,
            {"max_confirmed": 0},
            "violated",
            "1 confirmed: daisy/colour 0.80 (95 % interval 0.70 to 0.90)",
        ),
        (CONFIRMED, {"max_confirmed": 1}, "passed", "1 confirmed: daisy/colour"),
        # What is undetermined may be one more: that never passes for nothing.
        (
            OPEN,
            {"max_confirmed": 0},
            "cannot tell",
            "0 confirmed; 1 of 4 cells undetermined",
        ),
        (OPEN, {"max_confirmed": 1}, "passed", "1 of 4 cells undetermined"),
        (NONE_KNOWN, {"max_undetermined": 0.99}, "violated", "1: 1 of 1 cells"),
        (CLEAR, {"max_undetermined": 0}, "passed", "0: 0 of 3 cells"),
        ([], {"max_confirmed": 0}, "violated", "not measured: no cell was examined"),
        (None, {"max_confirmed": 0}, "violated", "not measured"),
        (None, {"max_undetermined": 1.0}, "violated", "not measured"),
        (None, {"max_reliance": {"border": 0.5}}, "violated", "not measured"),
        (None, {"no_worse_than": "."}, "violated", "not measured"),
    ],
)  # fmt: skip
def test_counts(tmp_path, monkeypatch, cells, keys, group, said):
    paths = made(tmp_path / "out", cells)
    monkeypatch.chdir(paths.root)
    found = only(paths, **keys)
    assert found.group == group, found
    assert said in found.found
    assert found.measured == ("not measured" not in found.found)


def test_a_tolerated_share_is_said_and_passes(tmp_path):
    cells = [*CLEAR, cell("daisy", "colour", "undetermined")]
    settings = GateConfig(max_confirmed=0, max_undetermined=0.25)
    first, second = judged(Run(made(tmp_path, cells).root), settings).outcomes
    assert (first.group, second.group) == ("passed", "passed")
    assert first.found == "0 confirmed; 1 of 4 cells undetermined, within gate.max_undetermined"
    settings = GateConfig(max_confirmed=0, max_undetermined=0.24)
    first, second = judged(Run(tmp_path), settings).outcomes
    assert (first.group, second.group) == ("cannot tell", "violated")
    assert "gate.max_undetermined=0.25 tolerates" in first.remedy


# Value and reach of tulip's interval -> the group at a limit of 0.3, and the end that was read.
RELIANCES = {
    (0.5, 0.1): ("violated", "the lower end"),
    (0.35, 0.1): ("cannot tell", "both ends"),
    (0.25, 0.1): ("cannot tell", "both ends"),
    (0.1, 0.1): ("passed", "the upper end"),
    (0.2, 0.1): ("passed", "the upper end"),  # it touches the limit, which is allowed
}


@pytest.mark.parametrize("interval", RELIANCES)
def test_reliance_is_read_at_the_end_that_is_sure(tmp_path, interval):
    group, end = RELIANCES[interval]
    if interval == (0.2, 0.1):
        interval = (0.25, 0.05)
    cells = [cell("daisy"), cell("tulip", **effect(*interval)), cell("tulip", "colour", **SURE)]
    found = only(made(tmp_path, cells), max_reliance={"border": 0.3000001})
    assert (found.group, found.reads.startswith(end)) == (group, True)
    value, reach = interval
    assert (found.value, found.low, found.high) == pytest.approx(
        (value, value - reach, value + reach), abs=1e-6
    )
    assert found.cells == (() if group == "passed" else ("tulip/border",))
    assert found.found.startswith(f"tulip/border {value:.2f} (95 % interval ")


def test_what_was_not_tested_is_not_passed(tmp_path):
    nothing = dict.fromkeys(("reliance", "reliance_low", "reliance_high"))
    paths = made(tmp_path, [cell("daisy"), cell("tulip", verdict="undetermined", **nothing)])
    found = only(paths, max_reliance={"border": 0.3})
    assert found.group == "cannot tell"
    assert "1 of 2 classes not measured" in found.found
    paths = made(tmp_path, [cell("tulip", verdict="undetermined", **nothing)])
    assert only(paths, max_reliance={"border": 0.3}).found == (
        "not measured: no photo could be tested"
    )
    assert only(paths, max_reliance={"bordr": 0.3}).remedy == "did you mean 'border'?"
    assert only(paths, max_reliance={"bordr": 0.3}, fail_if_not_run=False).group == "not applicable"


def test_a_limit_below_the_measurement_says_how_to_measure_on(tmp_path):
    found = only(made(tmp_path, CLEAR), max_reliance={"border": 0.01})
    assert found.group == "cannot tell"
    assert found.remedy.startswith("evidence.stop_below=0.01")


def test_accuracy_is_read_at_the_end_that_is_sure(tmp_path):
    paths = made(tmp_path, CLEAR, right=90, wrong=10, core=(0.8, 100))
    low, high = wilson_interval(0.9, 100)
    for limit, group in ((low - 0.001, "passed"), (0.9, "cannot tell"), (high + 0.001, "violated")):
        found = only(paths, min_accuracy=limit)
        assert found.group == group
        assert (found.value, found.low, found.high) == pytest.approx((0.9, low, high))
    assert "100 photos); lowest: " in found.found
    low, high = wilson_interval(0.8, 100)
    for limit, group in ((low - 0.001, "passed"), (0.8, "cannot tell"), (high + 0.001, "violated")):
        found = only(paths, min_core_accuracy=limit)
        assert (found.group, found.value) == (group, pytest.approx(0.8))


def test_accuracies_that_are_not_there(tmp_path):
    paths = made(tmp_path / "a", CLEAR, core=None, labelled=False)
    assert only(paths, min_accuracy=0.5).group == "not applicable"
    found = only(paths, min_core_accuracy=0.5)
    assert (found.group, found.found, found.measured) == ("violated", "not measured", False)
    found = only(paths, min_core_accuracy=0.5, fail_if_not_run=False)
    assert found.group == "not applicable"
    assert found.found == "not measured (gate.fail_if_not_run=false)"


# (effect in the earlier run, in this one, their spread) -> the group. The verdicts follow.
CHANGES = {
    (0.0, 0.8, 0.05): "violated",
    (0.3, 0.8, 0.05): "violated",
    (0.75, 0.8, 0.05): "passed",  # confirmed in both, and less than what is taken for noise
    (0.8, 0.0, 0.05): "passed",
    (0.1, 0.15, 0.05): "passed",
    (0.18, 0.29, 0.02): "violated",  # each interval reaches near the other's: paired they differ
    (None, 0.8, 0.05): "cannot tell",
    (None, 0.0, 0.05): "passed",
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_worse_than_an_earlier_run(tmp_path, change):
    *effects, spread = change
    for name, effect_ in zip(("was", "now"), effects, strict=True):
        made_up = audited(tmp_path / name).cell("rose", "colour", around(0.0, 24, seed=1))
        if effect_ is not None:
            made_up.cell("tulip", "border", around(effect_, 24, seed=2, spread=spread))
        made_up.write()
    found = only(Run(tmp_path / "now").paths, no_worse_than=str(tmp_path / "was"))
    assert found.group == CHANGES[change], found.found
    assert ("tulip/border" in found.cells) == (found.group != "passed")


@pytest.mark.parametrize(
    ("verdicts", "effects", "spread", "group"),
    [
        # Surely more, and still undetermined: that is no pass.
        (("undetermined", "undetermined"), (0.1, 0.4), 0.05, "cannot tell"),
        (("undetermined", "confirmed"), (0.3, 0.8), 0.05, "violated"),  # the pairs know more
        (("undetermined", "confirmed"), (0.75, 0.8), 0.05, "passed"),
        (("clear", "undetermined"), (0.1, 0.12), 0.05, "passed"),
        (("available", "confirmed"), (0.25, 0.28), 0.3, "cannot tell"),
        (("confirmed", "undetermined"), (0.75, 0.7), 0.05, "passed"),
        (("clear", "undetermined"), (0.15, 0.18), 0.3, "cannot tell"),
    ],
)
def test_open_verdicts_pass_by_what_the_pairs_say(tmp_path, verdicts, effects, spread, group):
    for seed, (name, verdict, mean) in enumerate(
        zip(("was", "now"), verdicts, effects, strict=True)
    ):
        values = around(mean, 24, seed=seed, spread=spread)
        audited(tmp_path / name).cell("tulip", "border", values, verdict=verdict).write()
    found = only(Run(tmp_path / "now").paths, no_worse_than=str(tmp_path / "was"))
    assert found.group == group, found.found


def test_pairs_decide_what_intervals_apart_cannot(tmp_path):
    """Photos differ much more than what a photo's effect rises by: only pairs show the rise."""
    effects = around(0.4, 24, seed=3, spread=0.3)
    audited(tmp_path / "was").cell("tulip", "border", effects, verdict="available").write()
    now = np.clip(effects + 0.15, -1, 1)
    audited(tmp_path / "now").cell("tulip", "border", now, verdict="confirmed").write()
    found = only(Run(tmp_path / "now").paths, no_worse_than=str(tmp_path / "was"))
    assert found.group == "violated", found.found
    assert re.search(
        r"available there, confirmed here, .*: \+0\.1\d \(\+0.* 24 pairs\)", found.found
    )


def audited(root):
    """A finished run to which cells are added."""
    return MadeUp(root, record={"finished": {"score": "2026-01-01T00:00:00+00:00"}})


def test_accuracy_that_fell_is_worse(tmp_path):
    audited(tmp_path / "was").cell("rose", "colour", around(0.0, 24, seed=1)).write()
    for wrong, group in ((2, "passed"), (12, "violated")):
        made_up = audited(tmp_path / f"now{wrong}").cell("rose", "colour", around(0.0, 24, seed=1))
        made_up.wrong = dict.fromkeys(made_up.ids("tulip")[:wrong], "rose")
        paths = made_up.write().paths
        found = only(paths, no_worse_than=str(tmp_path / "was"))
        assert found.group == group, found.found
        assert "48 photos in common" in found.found
    audited(tmp_path / "other").cell("rose", "border", around(0.0, 24, seed=1)).write()
    assert only(paths, no_worse_than=str(tmp_path / "other")).group == "not applicable"
    with pytest.raises(OutputError, match="holds no run"):
        only(paths, no_worse_than=str(tmp_path / "nowhere"))


def test_groups_are_counted_and_gated(tmp_path):
    cells = [cell("daisy", verdict="undetermined", **UNSURE), cell("tulip")]
    run = Run(made(tmp_path, cells).root)
    rules = {"max_confirmed": 0, "min_accuracy": 0.5}
    result = judged(run, GateConfig(**rules))
    assert result.counts == {"violated": 0, "passed": 1, "cannot tell": 1, "not applicable": 0}
    assert result.failed
    assert result.why == ("1 cannot tell: gate.max_confirmed (gate.max_cannot_tell=0)",)
    for more in ({"max_cannot_tell": 1}, {"max_cannot_tell": None}, {"level": "warn"}):
        assert not judged(run, GateConfig(**rules, **more)).failed
    assert judged(run, GateConfig(**rules, level="warn")).why
    rules = {"max_reliance": {"colour": 0.5}, "fail_if_not_run": False}
    assert not judged(run, GateConfig(**rules)).failed
    assert judged(run, GateConfig(**rules, max_not_applicable=0)).failed


def test_a_gate_needs_a_rule():
    assert not is_asked(GateConfig())
    assert not is_asked(GateConfig(accepted="x.yaml"))
    assert is_asked(GateConfig(max_undetermined=0.0))
    with pytest.raises(ConfigError, match="no rule to check: gate.level"):
        is_asked(GateConfig(level="warn"))
