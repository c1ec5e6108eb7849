"""What an attribution method needs and costs, as the comment at the top of its YAML file says it.

``# Needs: gradients. Forwards: 1 + {samples}.``; keys of the method stand in braces.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from xai_audit.config.meanings import of_file
from xai_audit.config.nodes import CONF_DIR

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SAID = re.compile(r"Needs: (.*?)\. Forwards: (.*)\.$")
_KEY = re.compile(r"\{(\w+)\}")
_INVERSE_SQUARE = re.compile(r"1 / ([\d.]+)²")
_A_TARGET = re.compile(r"(\d+) a target")


def needs_and_forwards(file: Path, node: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """What a method needs, and its forwards a photo as a sum, with the values of ``node``.

    Both are None where the file does not say it.
    """
    said = _SAID.search(of_file(file)[0])
    if said is None:
        return None, None
    return said[1], _KEY.sub(lambda key: str(node.get(key[1], key[1])), said[2])


def forwards_of(node: Mapping[str, Any], *, targets: int = 1) -> int | None:
    """The forwards a photo of the method of ``node``; None where they cannot be told beforehand.

    Args:
        node: its keys.
        targets: that are explained of each photo.
    """
    file = CONF_DIR / "method" / f"{node.get('name')}.yaml"
    ours = str(node.get("_target_")).startswith("xai_audit.")
    text = needs_and_forwards(file, node)[1] if ours and file.is_file() else None
    return None if text is None else _summed(text, targets)


def _summed(text: str, targets: int) -> int | None:
    """The value of ``1 + 1000``, ``1 + 1 / 0.1²`` or ``1 + 1 a target``; None for anything else."""
    total = 0.0
    for term in text.split(" + "):
        inverse = _INVERSE_SQUARE.fullmatch(term)
        if inverse is not None and float(inverse[1]) > 0:
            total += float(inverse[1]) ** -2
        elif each := _A_TARGET.fullmatch(term):
            total += int(each[1]) * targets
        elif term.isdigit():
            total += int(term)
        else:
            return None
    return math.ceil(round(total, 6))
