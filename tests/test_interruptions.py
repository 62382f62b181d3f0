"""Interrupted commands leave whole files or none. `python -m tests.interruptions` does it hundreds of times."""

import random
import sys
from pathlib import Path

import pytest

from tests.interruptions import CASES, Bench, Case, can_mount, disturb, fill_disk, fill_small_disk, kill, run_two

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_kills_full_disks_and_a_second_run_leave_whole_files_or_none(case: Case, tmp_path: Path) -> None:
    bench = Bench(case, tmp_path / "bench")
    draw = random.Random(0)
    full = fill_small_disk if can_mount() else fill_disk
    assert {event.__name__: disturb(bench, event, draw) for event in (kill, fill_disk, full, run_two)} == {
        event.__name__: [] for event in (kill, fill_disk, full, run_two)
    }


def test_a_torn_file_is_noticed(tmp_path: Path) -> None:
    bench = Bench(CASES[0], tmp_path / "bench")
    bench.reset()
    (bench.out / "m.onnx").write_bytes(bench.wanted["m.onnx"][:-1])
    (bench.out / ".m.onnx.0123456789abcdef.partial").write_bytes(b"left")
    assert list(bench.torn()) == [f"m.onnx has {len(bench.wanted['m.onnx']) - 1} bytes of neither version"]
    assert list(bench.not_made_good()) == []
    (bench.out / "m.onnx").unlink()
    assert list(bench.torn()) == ["m.onnx is lost"]
