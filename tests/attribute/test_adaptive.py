from __future__ import annotations

import pytest
import torch

from xai_audit.errors import is_out_of_memory
from xai_audit.network.inputs import AdaptiveBatch


class Memory:
    """A device that holds ``max_batch`` images and fails as PyTorch's CPU allocator does."""

    def __init__(self, max_batch: int) -> None:
        self.max_batch, self.calls = max_batch, []

    def __call__(self, piece: slice) -> list[int]:
        self.calls.append(piece.stop - piece.start)
        if piece.stop - piece.start > self.max_batch:
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"
            )
        return list(range(piece.start, piece.stop))


def all_rows(adaptive: AdaptiveBatch, memory: Memory, count: int) -> list[int]:
    return [row for _, rows in adaptive.over(count, memory) for row in rows or []]


@pytest.mark.parametrize("max_batch", [1, 3, 8, 100])
def test_same_rows_whatever_fits(max_batch):
    adaptive = AdaptiveBatch(16)
    memory = Memory(max_batch)
    assert all_rows(adaptive, memory, 50) == list(range(50))
    failed = [size for size in memory.calls if size > max_batch]
    assert len(failed) == adaptive.retries
    assert (adaptive.retries > 0) == (max_batch < 16)
    # Halved until it fits, and no call after that is larger than what failed last.
    assert failed[:3] == [16, 8, 4][: len(failed[:3])]
    assert sum(memory.calls) - sum(failed) == 50
    assert adaptive.smallest <= max(max_batch, 1)


def test_grows_back_when_memory_returns():
    adaptive, memory = AdaptiveBatch(16), Memory(4)
    all_rows(adaptive, memory, 16)
    assert adaptive.size == adaptive.smallest == 4
    memory.max_batch = 16
    all_rows(adaptive, memory, 400)
    assert adaptive.size == 16
    assert adaptive.smallest == 4


def test_growing_in_vain_gets_rarer():
    adaptive, memory = AdaptiveBatch(8), Memory(4)
    all_rows(adaptive, memory, 4 * 400)
    # 400 calls, tried again every 8 would be 50 failures.
    assert adaptive.retries < 8


def test_one_image_that_never_fits_is_told_and_skipped():
    adaptive = AdaptiveBatch(4)

    def call(piece: slice) -> list[int]:
        rows = list(range(piece.start, piece.stop))
        if 5 in rows:
            raise MemoryError
        return rows

    seen = list(adaptive.over(8, call))
    assert [piece.start for piece, rows in seen if rows is None] == [5]
    assert sorted(row for _, rows in seen for row in rows or []) == [0, 1, 2, 3, 4, 6, 7]


def test_other_errors_are_not_swallowed():
    def call(piece: slice) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        list(AdaptiveBatch(4).over(4, call))


def test_what_a_real_allocator_says_is_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_one_image_whose_copies_do_not_fit_is_tried_with_fewer_of_them():
    adaptive = AdaptiveBatch(32)

    def copies(piece: slice) -> int:
        if adaptive.size > 3:  # so many copies go through the model at once
            raise torch.OutOfMemoryError("out of memory")
        return adaptive.size

    assert list(adaptive.over(1, copies)) == [(slice(0, 1), 2)]
    assert adaptive.smallest == 2
