"""Addresses as paths, and what the store's libraries raise in one line."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from xai_audit.data import _stored_folder
from xai_audit.data._clutter import Clutter
from xai_audit.data.imagefolder import ImageFolder
from xai_audit.errors import ConfigError
from xai_audit.index.listing import listed
from xai_audit.store.address import is_remote, placed, spelled
from xai_audit.store.failure import StoreError, failure
from xai_audit.store.files import fetched, local_copy
from xai_audit.store.settings import configure


@pytest.mark.parametrize(
    "address",
    ["s3://b/k", "gs://b", "az://c/a b/é.jpg", "hf://datasets/u/r@main/x", "memory://m/x"],
)
def test_an_address_comes_back_as_it_was(address):
    path = placed(address)
    assert path.is_absolute()
    assert is_remote(path)
    assert spelled(path) == address
    assert spelled(path / "x/y.jpg") == f"{address}/x/y.jpg"
    assert spelled(f"/tmp/copies{path}") == address


@pytest.mark.parametrize("path", ["photos", "/photos", "~/photos", "a/../b", "s3:/b", "/a:/b"])
def test_a_path_of_the_file_system_stays_one(path):
    assert not is_remote(placed(path))
    assert placed(path) == (Path.cwd() / Path(path).expanduser()).resolve()
    assert spelled(path) == path


def test_a_file_address_is_a_path_of_the_file_system():
    assert placed("file:///data/photos") == Path("/data/photos")


def test_an_address_with_credentials_is_refused_without_showing_them():
    with pytest.raises(ConfigError, match="holds credentials") as caught:
        placed("s3://me:hush@b/k")
    assert "hush" not in str(caught.value)
    assert is_remote(placed("abfs://container@account.dfs.core.windows.net/x"))


def test_no_secret_is_in_a_message(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    exc = OSError("GET x?sig=abc%2F&se=1 with wJalrXUtnFEMI failed\nagain")
    found = failure(exc, "/s3:/b/k")
    assert found.strerror == "no answer: OSError: GET x?sig=...&se=1 with ... failed again"
    assert not found.lasting
    assert pickle.loads(pickle.dumps(found)).strerror == found.strerror


@pytest.fixture
def memory(folder, monkeypatch, tmp_path):
    """The photo folder in fsspec's store in memory."""
    import fsspec

    monkeypatch.setenv("XAI_AUDIT_STORE", "")
    configure(cache=str(tmp_path / "cache"), cache_gb=1, timeout=1, retries=0)
    store = fsspec.filesystem("memory")
    for path in sorted((folder / "images").rglob("*")):
        if path.is_file():
            store.pipe(f"/photos/{path.relative_to(folder / 'images')}", path.read_bytes())
    for name in ("circle.jpg", "circle/b/x.jpg", "circle/b.jpg", "circle/b-c.jpg", "readme.txt"):
        store.pipe(f"/photos/{name}", b"x")
    yield store
    store.rm("/photos", recursive=True)


def test_the_entries_are_those_of_the_same_tree_on_a_disk(memory, tmp_path):
    memory.get("/photos/", str(tmp_path / "photos"), recursive=True)
    keys = {"name": None, "class_to_idx": None, "split": None, "links_outside": False}
    there = ImageFolder(root="memory://photos", **keys)
    here = ImageFolder(root=str(tmp_path / "photos"), **keys)
    assert there.class_names() == here.class_names()
    assert there.name == here.name
    one, other = (
        [(e.path, e.class_name, e.problem) for e in dataset.entries()] for dataset in (there, here)
    )
    assert one == other
    assert listed(there).column("file_bytes") == listed(here).column("file_bytes")
    assert listed(there).column("mtime_ns").null_count == 2  # those of no class


def test_a_key_that_is_no_path_is_a_row(monkeypatch):
    from xai_audit.store.remote import Found, Stamp

    tree = {
        "/s3:/b": [Found("cats", None)],
        "/s3:/b/cats": [Found("", None), Found("..", Stamp(1, 1)), Found("a.jpg", Stamp(2, 2))],
    }
    monkeypatch.setattr(_stored_folder, "listing", lambda path: tree[str(path)])
    found = [entry for _, entry in _stored_folder.walk(Path("/s3:/b"), Clutter())]
    assert [(e.path, e.problem and e.problem[0]) for e in found] == [
        ("cats//", "unreadable"), ("cats/..", "unreadable"), ("cats/a.jpg", None),
    ]  # fmt: skip


def test_bytes_and_copies_are_those_of_the_object(memory, tmp_path):
    stream = fetched("/memory:/photos/readme.txt")
    assert stream.read() == b"x"
    assert stream.mtime_ns is not None
    assert local_copy(placed("memory://photos/readme.txt")).read_bytes() == b"x"
    assert local_copy(tmp_path) == tmp_path
    with pytest.raises(StoreError, match="nothing there"):
        fetched("/memory:/photos/none")


def test_a_body_that_was_cut_is_read_again_and_never_taken(memory, monkeypatch):
    configure(cache=None, cache_gb=0, timeout=1, retries=1)
    monkeypatch.setattr("xai_audit.store.request._FIRST_WAIT", 0.0)
    memory.pipe("/photos/whole.jpg", b"0123456789")
    cut, plain = [True, False, True, True], type(memory).cat_file

    def cat_file(self, *arguments, **more):
        content = plain(self, *arguments, **more)
        return content[:5] if cut.pop(0) else content

    monkeypatch.setattr(type(memory), "cat_file", cat_file)
    assert fetched("/memory:/photos/whole.jpg").read() == b"0123456789"
    with pytest.raises(StoreError, match="5 of 10 bytes came"):
        fetched("/memory:/photos/whole.jpg")
    assert cut == []
