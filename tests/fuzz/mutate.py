"""Bytes changed at random, as damage or an attacker changes them."""

from __future__ import annotations

import random
from collections.abc import Sequence

_NUMBERS = [
    *(b"\0", b"\x01", b"\x7f", b"\x80", b"\xff", b"\0\0", b"\xff\xff", b"\xff\x7f", b"\0\x80"),
    *(b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\x7f\xff\xff\xff", bytes(8)),
]
_TEXTS = [
    *(b"-1", b"0", b"1e400", b"nan", b"-inf", b"9" * 40, b"null", b"{}", b"[]", b'"', b"'", b"\n"),
    *(b"../", b"/etc/passwd", b"\xc3", b"\xef\xbb\xbf", b"<", b"&a;", b"${x}", b"\\u0000", b","),
]


def mutated(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One of ``seeds`` with one to six changes."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 6)):
        rng.choice(_CHANGES)(rng, data, seeds)
    return bytes(data)


def _flip(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    if data:
        data[_place(rng, data)] = rng.randrange(256)


def _put(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    at, value = _place(rng, data), rng.choice(_NUMBERS + _TEXTS)
    data[at : at + len(value)] = value


def _insert(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    at = _place(rng, data)
    data[at:at] = rng.choice(_NUMBERS + _TEXTS) * rng.choice((1, 1, 1, 50))


def _delete(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    at = _place(rng, data)
    del data[at : at + rng.choice((1, 4, 40, 4000))]


def _cut(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    del data[_place(rng, data) :]


def _repeat(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    at = _place(rng, data)
    data[at:at] = data[at : at + rng.choice((1, 8, 64))] * rng.choice((1, 3, 30))


def _splice(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = rng.choice(seeds)
    data[_place(rng, data) :] = other[rng.randrange(len(other) + 1) :]


def _place(rng: random.Random, data: bytearray) -> int:
    """Mostly near the start, where headers are."""
    end = len(data) if rng.random() < 0.5 else min(len(data), 200)
    return rng.randrange(max(end, 1))


_CHANGES = (_flip, _flip, _put, _put, _insert, _delete, _cut, _repeat, _splice)
