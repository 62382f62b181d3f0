"""Freed memory goes back to the system."""

import platform
import subprocess
import sys
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


# 300 pages of 4096 bytes, ten times; in a process of its own: what is kept stays kept
_FAULTS = """
import resource
from zoosmith.execution import keep_freed

{first}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for block in range(2):
    bytes(1_200_000)[0]
before = faults()
for block in range(10):
    bytearray(b"x" * 1_200_000)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries cannot be told to")
def test_memory_that_is_kept_is_not_asked_from_the_system_again() -> None:
    def faults(first: str) -> int:
        command = [sys.executable, "-c", _FAULTS.format(first=first)]
        return int(subprocess.run(command, check=True, capture_output=True).stdout)

    assert faults("keep_freed()") < 1000 < faults("")
