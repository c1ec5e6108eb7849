"""An S3 server on loopback that holds the photo folder, its masks and a checkpoint."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.store.faulty import Faulty
from xai_audit.store.settings import configure

MISSING = [name for name in ("moto", "s3fs", "flask") if importlib.util.find_spec(name) is None]
ENV = {
    "AWS_ACCESS_KEY_ID": "AKIAXAIAUDITTEST",
    "AWS_SECRET_ACCESS_KEY": "a-secret-that-is-never-shown",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Bucket:
    """The server's bucket ``photos``, by boto3 and past any proxy."""

    def __init__(self, address: str) -> None:
        import boto3

        self.address = address
        self.client = boto3.client("s3", endpoint_url=address)
        self.client.create_bucket(Bucket="photos")

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket="photos", Key=key, Body=content)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket="photos", Key=key)

    def upload(self, folder: Path, prefix: str) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())


@pytest.fixture(scope="session")
def bucket(tmp_path_factory):
    """The bucket; skipped where its server or its client is not installed."""
    if MISSING:
        pytest.skip(f"{', '.join(MISSING)} not installed: no S3 server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    before = dict(os.environ)
    os.environ |= ENV
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=out, stderr=out
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{address}/moto-api/", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline, "the S3 server did not start"
                time.sleep(0.1)
        yield Bucket(address)
    finally:
        server.kill()
        server.wait()
        os.environ.clear()
        os.environ |= before


@pytest.fixture
def s3(bucket, monkeypatch, tmp_path):
    """The bucket as the audit's endpoint, with a cache of the test's own."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.address)
    monkeypatch.setenv("XAI_AUDIT_STORE", "")
    monkeypatch.delenv("XAI_AUDIT_STORE")
    configure(cache=str(tmp_path / "cache"), cache_gb=1, timeout=5, retries=2)
    return bucket


@contextmanager
def proxied(proxy, monkeypatch):
    """The proxy as the audit's endpoint, ended after the block."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()


@pytest.fixture
def faulty(s3, monkeypatch):
    """A proxy before the server: of all requests every tenth goes wrong."""
    with proxied(Faulty(s3.address, share=0.1, seed=0, silence=1.5), monkeypatch) as proxy:
        yield proxy


@pytest.fixture
def counted(s3, monkeypatch):
    """A proxy that only counts."""
    with proxied(Faulty(s3.address, share=0, seed=0, silence=0), monkeypatch) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def stored(bucket, folder):
    """The photo folder in the bucket: ``s3://photos/tiny/images`` and ``s3://photos/tiny/masks``."""
    bucket.upload(folder, "tiny")
    return "s3://photos/tiny"
