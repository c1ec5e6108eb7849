"""What is kept on the disk is current, whole, shared, and never more than the limit."""

from __future__ import annotations

import multiprocessing
import os
import time

import pytest

from xai_audit.store import cache
from xai_audit.store.remote import Stamp
from xai_audit.store.settings import configure

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache of 100 kB."""
    monkeypatch.setenv("XAI_AUDIT_STORE", "")
    begun(tmp_path)
    return tmp_path / "cache"


def begun(tmp_path):
    """An audit begins."""
    configure(cache=str(tmp_path / "cache"), cache_gb=1e-4, timeout=1, retries=0)


def held(folder):
    """All bytes that lie in the cache, the notes beside them not."""
    return sum(p.stat().st_size for p in folder.glob("*/*/*") if p.is_file())


def test_what_was_kept_is_found_until_another_audit_begins(folder, tmp_path):
    version = Stamp(5, 17)
    cache.keep("s3://b/k", version, b"12345", time.time())
    assert cache.kept("s3://b/k").read_bytes() == b"12345"
    assert cache.kept("s3://b/other") is None
    time.sleep(0.01)
    begun(tmp_path)
    assert cache.kept("s3://b/k") is None  # the store has to be asked first
    assert cache.kept("s3://b/k", Stamp(5, 18), time.time()) is None
    assert cache.kept("s3://b/k", version, time.time()).read_bytes() == b"12345"
    assert cache.kept("s3://b/k").read_bytes() == b"12345"


def test_another_version_takes_the_place_of_the_one_before(folder):
    cache.keep("s3://b/k", Stamp(5, 1), b"12345", time.time())
    cache.keep("s3://b/k", Stamp(3, 2), b"abc", time.time())
    assert cache.kept("s3://b/k").read_bytes() == b"abc"
    assert held(folder) == 3


def test_what_was_cut_short_by_a_crash_is_not_found(folder):
    cache.keep("s3://b/k", Stamp(5, 1), b"12345", time.time())
    cache.kept("s3://b/k").write_bytes(b"")
    assert cache.kept("s3://b/k") is None


def test_the_least_recently_used_go_first(folder):
    for number in range(9):
        cache.keep(f"s3://b/{number}", Stamp(10_000, number), bytes(10_000), time.time())
        os.utime(cache.kept(f"s3://b/{number}"), (number, time.time()))
    assert cache.kept("s3://b/0") is not None  # used now
    cache.keep("s3://b/large", Stamp(30_000, 1), bytes(30_000), time.time())
    left = [n for n in range(9) if cache.kept(f"s3://b/{n}") is not None]
    assert 0 in left
    assert 1 not in left
    assert left[1:] == [*range(10 - len(left), 9)]
    assert cache.kept("s3://b/large") is not None
    assert held(folder) <= 100_000


def test_what_is_larger_than_the_cache_is_not_kept(folder):
    cache.keep("s3://b/k", Stamp(200_000, 1), bytes(200_000), time.time())
    assert cache.kept("s3://b/k") is None
    assert held(folder) == 0


def fill(number):
    for each in range(60):
        cache.keep(f"s3://b/{number}/{each}", Stamp(3000, each), bytes(3000), time.time())


def test_several_processes_stay_below_the_limit_together(folder):
    processes = [multiprocessing.get_context("fork").Process(target=fill, args=(n,)) for n in "abc"]
    for process in processes:
        process.start()
    most = 0
    while any(process.is_alive() for process in processes):
        if (folder / "lock").exists():
            with cache._locked(folder / "lock"):
                most = max(most, held(folder))
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert 60_000 < max(most, held(folder)) <= 100_000
    assert not [*folder.glob("*/*/.*.tmp")]


def test_a_disk_that_refuses_costs_a_warning_and_no_error(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("XAI_AUDIT_STORE", "")
    (tmp_path / "cache").write_text("a file")
    begun(tmp_path)
    cache.keep("s3://b/k", Stamp(1, 1), b"1", time.time())
    assert cache.kept("s3://b/k") is None
    assert "store.cache=DIR names another" in caplog.text


def test_a_folder_of_somebody_else_s_in_the_temporary_folder_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("XAI_AUDIT_STORE", "")
    configure(cache=None, cache_gb=1, timeout=1, retries=0)
    cache._base.cache_clear()
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    (tmp_path / "planted").mkdir()
    (tmp_path / f"xai_audit_cache_{os.getuid()}").symlink_to(tmp_path / "planted")
    try:
        assert cache.kept("s3://b/k") is None
        cache.keep("s3://b/k", Stamp(1, 1), b"1", time.time())
        assert not [*(tmp_path / "planted").iterdir()]
    finally:
        cache._base.cache_clear()
