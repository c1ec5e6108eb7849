from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.report.conftest import reported
from tests.report.test_actions import HOSTILE
from tests.report.test_verdicts import answered, cell, relied, write
from xai_audit.report.picture import ReportSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["answered"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Rows of photos that are wider than a phone.
WIDE = ReportSettings(per_reason=9, tile=200, seed=0)
PROBE = """(async () => {
  const root = document.documentElement, images = [...document.images];
  const photos = [...document.querySelectorAll(".photos li")];
  for (const image of images) { image.loading = "eager"; await image.decode().catch(() => {}); }
  return { width: innerWidth, overflow: root.scrollWidth - root.clientWidth,
    broken: images.filter((i) => !i.naturalWidth).map((i) => i.src), images: images.length,
    columns: new Set(photos.map((photo) => photo.offsetLeft)).size };
})()"""


class Browser:
    """Chromium's debugging protocol over its pipe: JSON messages that end in a zero byte."""

    def __init__(self, commands: int, replies: int) -> None:
        self.commands, self.replies = commands, os.fdopen(replies, "rb", closefd=False)
        self.events: list[dict[str, Any]] = []
        self.sent, self.session = 0, None

    def ask(self, method: str, **params: object) -> dict[str, Any]:
        self.sent += 1
        message = {"id": self.sent, "method": method, "params": params}
        message |= {"sessionId": self.session} if self.session else {}
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while (reply := self.receive()).get("id") != self.sent:
            self.events.append(reply)
        assert "error" not in reply, reply
        return reply["result"]

    def receive(self) -> dict[str, Any]:
        message = bytearray()
        while (byte := self.replies.read(1)) != b"\0":
            assert byte, "Chromium closed its pipe"
            message += byte
        return json.loads(message)

    def wait_for(self, method: str) -> None:
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive())


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    from_us, commands = os.pipe()
    replies, to_us = os.pipe()
    options = (
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"),
    )
    # The pipe is at 3 and 4 by convention.
    shell = f'exec "$0" "$@" 3<&{from_us} 4>&{to_us}'
    process = subprocess.Popen(
        ["bash", "-c", shell, CHROMIUM, *options],
        pass_fds=(from_us, to_us),
        stderr=subprocess.DEVNULL,
    )
    os.close(from_us)
    os.close(to_us)
    try:
        yield Browser(commands, replies)
    finally:
        process.terminate()
        process.wait(30)
        os.close(commands)
        os.close(replies)


def probed(page: Path, profile: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a phone of 380 px shows of a page, and what it complains of."""
    with browser(profile) as chromium:
        target = chromium.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = chromium.ask("Target.attachToTarget", targetId=target, flatten=True)
        chromium.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            chromium.ask(f"{domain}.enable")
        chromium.ask(
            "Emulation.setDeviceMetricsOverride",
            **{"width": 380, "height": 800, "deviceScaleFactor": 1, "mobile": False},
        )
        chromium.events.clear()
        chromium.ask("Page.navigate", url=page.as_uri())
        chromium.wait_for("Page.loadEventFired")
        seen = chromium.ask(
            "Runtime.evaluate", expression=PROBE, awaitPromise=True, returnByValue=True
        )["result"]["value"]
        complaints = [
            event
            for event in chromium.events
            if event["method"]
            in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
            or event["method"] == "Page.javascriptDialogOpening"
        ]
    return seen, complaints


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_phone_shows_every_image_without_overflow_or_complaint(tiny_run, tmp_path):
    reported(tiny_run, WIDE)
    seen, complaints = probed(tiny_run.index_html, tmp_path / "profile")
    assert seen == {"width": 380, "overflow": 0, "broken": [], "images": 23, "columns": 2}
    assert complaints == []


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_hostile_names_in_the_answer_do_not_widen_a_phone(answered, tmp_path):
    write(answered, [cell(name, "border", "confirmed", **relied(0.5)) for name in HOSTILE])
    record = json.loads(answered.run_json.read_text())
    record["arguments"] = [f"dataset.root={name}" for name in HOSTILE]
    answered.run_json.write_text(json.dumps(record))
    reported(answered)
    seen, complaints = probed(answered.index_html, tmp_path / "profile")
    assert (seen["overflow"], seen["broken"], complaints) == (0, [], [])
