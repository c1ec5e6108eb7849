"""A line of the log is one line, whatever the names in it."""

from __future__ import annotations

import io
import logging

from xai_audit.run.log import handler

HOSTILE = "\x1b[2Jrose\n12:00:00 SUCCESS\u202e\r"


def logged(write):
    """What ``write`` makes of a logger with our handler."""
    shown, ours, log = io.StringIO(), handler(), logging.getLogger("hostile")
    ours.setStream(shown)
    log.addHandler(ours)
    log.setLevel(logging.INFO)
    try:
        write(log)
    finally:
        log.removeHandler(ours)
    return shown.getvalue()


def test_a_message_is_one_line():
    text = logged(lambda log: log.info("class %s has %d photos", HOSTILE, 3))
    (line,) = text.splitlines()
    assert line.endswith(r"class \x1b[2Jrose\n12:00:00 SUCCESS\u202e\r has 3 photos")


def test_a_traceback_keeps_its_lines():
    def fail(log):
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            log.exception("unexpected")

    lines = logged(fail).splitlines()
    assert lines[0].endswith(" unexpected")
    assert lines[1] == "Traceback (most recent call last):"
    assert not [line for line in lines if {*line} & {"\x1b", "\u202e", "\r"}]


def test_a_name_of_other_scripts_stays_as_it_is():
    assert "שלום 花 🌹 é" in logged(lambda log: log.info("%s", "שלום 花 🌹 é"))
