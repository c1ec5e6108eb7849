"""What is to be done before PyTorch is imported: limits that it would not survive, its threads."""

from __future__ import annotations

import logging
import resource

from xai_audit.errors import ConfigError
from xai_audit.run.threads import spin_briefly

log = logging.getLogger(__name__)

_GB = 1e9
# Address space, not memory in use: PyTorch 2.14 for CPUs reserves 3.6 GB as it is imported, and
# 5 GB were too little for the demo's audit with two threads. It then aborts without a message.
_LEAST, _ENOUGH = 4.0, 6.0


def before_torch() -> None:
    """Set how its threads wait, and refuse a machine that it cannot be imported on.

    Raises:
        ConfigError: too little address space.
    """
    spin_briefly()
    check_address_space()


def address_space() -> float | None:
    """The bytes that this process may reserve (``ulimit -v``), None where that is not limited."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else float(limit)


def check_address_space() -> None:
    """Warn where the limit may be too low for PyTorch.

    Raises:
        ConfigError: it is too low to import PyTorch.
    """
    limit = address_space()
    if limit is None or limit >= _ENOUGH * _GB:
        return
    if limit >= _LEAST * _GB:
        log.warning(
            "WARNING: only %.1f GB of address space (ulimit -v): PyTorch may end this process "
            "without a word; ulimit -v unlimited", limit / _GB,
        )  # fmt: skip
        return
    raise ConfigError(
        "too little address space for PyTorch",
        where="ulimit -v",
        expected=f"unlimited, or {_ENOUGH:.0f} GB and more",
        got=f"{limit / _GB:.1f} GB",
        remedy="ulimit -v unlimited, or a job without that limit",
    )
