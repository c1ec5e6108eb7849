"""From which probability on a photo is decided for a class, where it may have several labels."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from xai_audit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

log = logging.getLogger(__name__)
DEFAULT = 0.5
_FORMS = "a number, {class: number}, or a JSON or YAML file of that"


def thresholds_of(given: Any, classes: Collection[str]) -> dict[str, float]:  # noqa: ANN401 - a key's value
    """Class -> its threshold, 0..1, :data:`DEFAULT` where none is given for it.

    Args:
        given: the key ``thresholds``: a number, class -> number, or the path of a file of either.
        classes: of the data set.

    Raises:
        ConfigError: the file cannot be read, a number is not between 0 and 1, no such class.
    """
    found, where = _read(given) if isinstance(given, str) else (given, "thresholds")
    if not isinstance(found, dict):
        return dict.fromkeys(classes, _number(found, where))
    unknown = [str(name) for name in found if str(name) not in classes]
    if unknown:
        raise ConfigError(
            "no such class", where=where, got=unknown[0],
            expected=f"some of {', '.join([*classes][:5])}{', ...' if len(classes) > 5 else ''}",
        )  # fmt: skip
    named = {str(name): _number(value, f"{where}, {name}") for name, value in found.items()}
    return dict.fromkeys(classes, DEFAULT) | named


def log_decisions(how: str, thresholds: Mapping[str, float], *, head_given: bool) -> None:
    """Log that photos have several labels, how that is known, and how they are decided."""
    each = (f"{name} {limit}" for name, limit in thresholds.items())
    same = len({*thresholds.values()}) == 1
    log.info(
        "multi-label: a photo may have several labels (%s); model.head=sigmoid (%s); it is decided "
        "for a class from the probability %s on (thresholds=NUMBER, {class: number} or a file)",
        how,
        "given" if head_given else "for that reason",
        next(iter(thresholds.values())) if same else ", ".join(each),
    )


def _read(text: str) -> tuple[Any, str]:
    """What the file at ``text`` holds, and its name; JSON is YAML."""
    file = Path(text).expanduser()
    try:
        return OmegaConf.to_container(OmegaConf.load(file)), text
    except (OSError, ValueError, YAMLError, OmegaConfBaseException) as exc:
        raise ConfigError(
            "the thresholds cannot be read", where="thresholds", expected=_FORMS,
            got=f"{text}: {str(exc).splitlines()[0]}",
        ) from exc  # fmt: skip


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        expected = f"{_FORMS}; a number above 0 and below 1"
        raise ConfigError("not a threshold", where=where, expected=expected, got=value)
    return float(value)
