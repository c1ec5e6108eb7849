import os
import socket
from pathlib import Path

import pytest


@pytest.fixture
def unix_socket(tmp_path, monkeypatch):
    """The path of a listening socket; bound by its bare name, since such paths are short."""
    monkeypatch.chdir(tmp_path)
    server = socket.socket(socket.AF_UNIX)
    server.bind("socket.jpg")
    yield str(tmp_path / "socket.jpg")
    server.close()


@pytest.fixture(scope="session")
def shared():
    """The folder of real photos and checkpoints."""
    beside = Path(__file__).resolve().parents[2].parent / "shared"
    folder = Path(os.environ.get("XAI_AUDIT_SHARED", beside))
    if not (folder / "data/flowers17").is_dir():
        pytest.skip(f"no real photos in {folder}: set XAI_AUDIT_SHARED")
    return folder
