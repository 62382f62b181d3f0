"""Freed memory goes back to the system."""

import platform
from pathlib import Path

import pytest

from zoosmith.execution import give_back

PIECE, PIECES = 100_000, 1000


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries cannot be told to")
def test_memory_that_was_freed_in_pieces_goes_back_to_the_system() -> None:
    pieces = [b"x" * PIECE for _ in range(PIECES)]
    last = pieces.pop()  # above them all: without it the C library gives them back itself
    pieces.clear()
    before = resident()
    give_back()
    assert before - resident() > PIECE * PIECES / 2
    assert len(last) == PIECE
