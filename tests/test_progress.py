"""What people see of a long run, and how a signal waits for it."""

from __future__ import annotations

import logging

import pytest
import torch

from tests import tiny
from tests.methods.asking import attribution, loaded, request
from xai_audit.errors import StoppedError
from xai_audit.run import progress as module
from xai_audit.run.progress import StopRequest, progress_bar


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test sets."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_forwards_in_all_are_told_once_images_are_finished(caplog, clock):
    caplog.set_level(logging.INFO)
    with progress_bar("attribute", total=100, done=20, bar=False) as progress:
        clock[0] = 20
        progress.forwards(3000)
        progress(10)
        clock[0] = 40
        progress.forwards(3000)
    first, second = caplog.messages[:2]
    assert first == "attribute: 20 of 100 images, 0.0 images/s, 3,000 forwards"
    # 6,000 forwards for 10 of the 80 images of this run.
    assert second == (
        "attribute: 30 of 100 images, 0.2 images/s, 6,000 of about 48,000 forwards, 4:40 left"
    )


def test_a_bar_shows_the_forwards_beside_the_images(capsys):
    with progress_bar("attribute", total=4, bar=True) as progress:
        progress.forwards(50)
        progress(1)
        progress.forwards(50)
        progress(3)
    shown = capsys.readouterr().err
    assert "4/4" in shown
    assert "100 of about 400 forwards" in shown


@pytest.mark.parametrize(
    ("name", "keys", "forwards"),
    # Integrated gradients asks about the baseline, too.
    [("rise", {"samples": 30}, 2 * 30), ("integrated_gradients", {"steps": 5}, 2 * (5 + 1))],
)
def test_every_copy_is_told(name, keys, forwards):
    told: list[int] = []
    question = request(loaded(tiny.net(), 64), torch.randn(2, 3, 64, 64), torch.tensor([0, 1]))
    question.progress = told.append
    attribution(name, question, seed=0, **keys)
    assert sum(told) == forwards
    assert max(told) <= question.max_batch


def test_a_signal_waits_for_what_is_in_hand_but_not_for_ever(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    stop, seen = StopRequest(), []
    progress = stop.stopping(seen.append, patience=module.PATIENCE)
    stop._request(15, None)
    progress(1)
    now[0] = module.PATIENCE - 1
    progress(2)
    with pytest.raises(StoppedError):
        stop.check()
    now[0] = module.PATIENCE
    with pytest.raises(StoppedError):
        progress(3)
    assert seen == [1, 2, 3]
