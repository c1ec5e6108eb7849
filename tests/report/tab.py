"""A tab of Chromium for tests of the explore page: goes to a page, presses keys, clicks, asks."""

from __future__ import annotations

import base64
import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.report.test_browser import browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.report.test_browser import Browser

_KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, "End": 35, "Home": 36, "PageDown": 34, " ": 32}
_KEYS |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Backspace": 8}
_COMPLAINTS = (
    *("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"),
    "Page.javascriptDialogOpening",
)


class Tab:
    """One tab; ``asked`` has the address of everything that it has requested."""

    def __init__(self, chromium: Browser) -> None:
        self.chromium = chromium
        target = chromium.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = chromium.ask("Target.attachToTarget", targetId=target, flatten=True)
        chromium.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            chromium.ask(f"{domain}.enable")

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.chromium.ask("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.chromium.ask("Emulation.setEmulatedMedia", features=[scheme])

    def go(self, url: str) -> None:
        """Open ``url`` anew, also where only what follows its # differs."""
        self.chromium.ask("Page.navigate", url="about:blank")
        self.chromium.events.clear()
        self.chromium.ask("Page.navigate", url=url)
        self.until("document.documentElement?.dataset.ready")

    def load(self, url: str) -> None:
        """Open ``url`` anew, a page that has nothing to say of its readiness."""
        self.chromium.events.clear()
        self.chromium.ask("Page.navigate", url="about:blank")
        self.chromium.wait_for("Page.loadEventFired")
        self.chromium.events.clear()
        self.chromium.ask("Page.navigate", url=url)
        self.chromium.wait_for("Page.loadEventFired")

    def run(self, code: str) -> None:
        """Run a script in the page, which need not return what can be copied."""
        found = self.chromium.ask("Runtime.evaluate", expression=code)
        assert "exceptionDetails" not in found, found

    def ask(self, expression: str) -> Any:
        found = self.chromium.ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str, seconds: float = 20) -> None:
        """Wait for ``expression`` to be true."""
        end = time.monotonic() + seconds
        while not self.ask(f"!!({expression})"):
            assert time.monotonic() < end, f"never: {expression}; {self.complaints()}"
            time.sleep(0.02)

    def press(self, key: str, *, shift: bool = False) -> None:
        code = {"windowsVirtualKeyCode": _KEYS[key]} if key in _KEYS else {"text": key}
        code |= {"text": "\r"} if key == "Enter" else {}
        more = {"key": key, "modifiers": 8 if shift else 0} | code
        self.chromium.ask("Input.dispatchKeyEvent", type="keyDown", **more)
        self.chromium.ask("Input.dispatchKeyEvent", type="keyUp", **{**more, "text": ""})

    def click(self, selector: str) -> None:
        """The mouse, in the middle of the first element of ``selector``."""
        box = self.ask(
            f"(() => {{ const node = document.querySelector({json.dumps(selector)});"
            "node.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const b = node.getBoundingClientRect(); return [b.x + b.width/2, b.y + b.height/2]})()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            where = {"x": box[0], "y": box[1], "button": "left", "clickCount": 1}
            self.chromium.ask("Input.dispatchMouseEvent", type=kind, **where)

    def choose(self, name: str, value: str) -> None:
        """What a choice in a list does; lists open in a window of the system's."""
        self.ask(
            f"(() => {{ const box = document.getElementById('form').elements[{json.dumps(name)}];"
            f"box.value = {json.dumps(value)};"
            "box.dispatchEvent(new Event('change', {bubbles: true})) })()"
        )

    def complaints(self) -> list[dict[str, Any]]:
        return [event for event in self.chromium.events if event.get("method") in _COMPLAINTS]

    def requested(self) -> set[str]:
        sent = [e for e in self.chromium.events if e.get("method") == "Network.requestWillBeSent"]
        return {event["params"]["request"]["url"] for event in sent}

    def picture(self, file: Path) -> None:
        """A screenshot of what is in view."""
        shot = self.chromium.ask("Page.captureScreenshot", format="png")["data"]
        file.write_bytes(base64.b64decode(shot))


@contextmanager
def opened(profile: Path) -> Iterator[Tab]:
    with browser(profile) as chromium:
        yield Tab(chromium)
