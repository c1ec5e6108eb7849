"""What one forward frees is there for the next, without a page of it faulted in anew."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from xai_audit.config.compose import compose
from xai_audit.network import allocator
from xai_audit.run.paths import RunPaths
from xai_audit.work.audit import Audit

# Faults of ten blocks of 64 MiB, each written, freed and made again, after a first.
FAULTS = """
import ctypes, resource, sys
import torch
from xai_audit.network.allocator import keep_freed
keeps = keep_freed() if sys.argv[1] == "kept" else None
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(keeps, faults())
"""


def faults(how, **environment):
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, how],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    keeps, count = done.stdout.split()
    return keeps, int(count)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's mallopt")
def test_freed_blocks_are_used_again():
    assert faults("plain")[1] > 1000
    keeps, count = faults("kept")
    assert keeps == "True"
    assert count < 100


def test_an_allocator_that_the_user_has_set_is_left_alone():
    assert faults("kept", MALLOC_MMAP_THRESHOLD_="1000000")[0] == "False"


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: object())
    assert allocator.keep_freed() is False


def test_every_process_that_computes_asks_for_it(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(allocator, "keep_freed", lambda: asked.append(True))
    spec = compose(["dataset=flowers", "compute.device=cpu"])
    assert Audit(RunPaths(tmp_path), spec, lambda _: False).compute.device == "cpu"
    assert asked == [True]
