"""How the threads of an operation wait for each other, said before PyTorch is imported."""

from __future__ import annotations

import os

# So many turns of a loop, some microseconds, are what libgomp itself allows where it knows of more
# threads than cores; elsewhere it has 300,000 or more.
_TURNS = "1000"
_SAID = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def spin_briefly() -> None:
    """Let threads that have to wait give up their core soon, for this process and its children.

    Where other processes want the cores too, the thread that is waited for is not running, and one
    that spins meanwhile holds the very core that it needs: small operations took 30 times as long,
    a forward of 16 photos twice as long, as with this. On cores of its own a process is as fast.
    What the user has said stands; in a process that has imported PyTorch it is too late.
    """
    if not any(name in os.environ for name in _SAID):
        os.environ["GOMP_SPINCOUNT"] = _TURNS
