"""``report/junit.xml``: the rules of a gate as test cases, as CI systems read them.

The elements and attributes are those that Jenkins's schema (junit-10.xsd) and GitLab take. A rule
that blocks is a failure; one that does not, without having passed, is skipped with its reason.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from xai_audit.gate.lines import line
from xai_audit.gate.outcome import PASSED

if TYPE_CHECKING:
    from xai_audit.gate.outcome import Outcome, Result
    from xai_audit.run.paths import RunPaths

_SUITE = "xai-audit gate"
# What XML 1.0 cannot hold, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(paths: RunPaths, result: Result) -> str:
    """The document, of one suite with a case a rule."""
    failing = [each for each in result.outcomes if _fails(result, each)]
    skipped = [e for e in result.outcomes if e not in failing and e.group != PASSED]
    name = f"{_SUITE} {_short(paths)}"
    numbers = {"tests": len(result.outcomes), "failures": len(failing), "errors": 0}
    counted = {key: str(number) for key, number in numbers.items()} | {"time": "0"}
    root = ElementTree.Element("testsuites", {"name": name, **counted})
    stamp = {"skipped": str(len(skipped)), "timestamp": f"{result.today.isoformat()}T00:00:00"}
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **counted, **stamp})
    # A dot would begin a package of its own, and cases of several runs are told apart by it.
    home = f"xai_audit.gate.{_short(paths).replace('.', '_')}"
    for each in result.outcomes:
        case = {"classname": home, "name": each.rule, "time": "0"}
        element = ElementTree.SubElement(suite, "testcase", case)
        text = _clean(line(paths, result, each))
        if each.group == PASSED:
            ElementTree.SubElement(element, "system-out").text = text
            continue
        kind = "failure" if each in failing else "skipped"
        said = {"message": _clean(f"{each.group}: expected {each.expected}, found {each.found}")}
        said |= {"type": each.group} if kind == "failure" else {}
        ElementTree.SubElement(element, kind, said).text = text
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _short(paths: RunPaths) -> str:
    """The end of the output folder's path: dataset, model and method."""
    return _clean("/".join(paths.root.parts[-3:]))


def _fails(result: Result, outcome: Outcome) -> bool:
    return result.failed and result.blocks(outcome)


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
