"""A worker process and its limits, with this Python in the place of the foreign one."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from zoosmith.validation import ValidationError
from zoosmith.validation.runtimes import process as module
from zoosmith.validation.runtimes.process import WorkerProcess

BACKEND = """
import os, sys, time
import numpy as np
class Backend:
    def echo(self, value): return {"value": value}
    def fail(self): raise RuntimeError("\\n  what went wrong  \\nwhere")
    def silent(self): raise KeyError()
    def print(self):
        print("from Python", flush=True)
        os.system("echo from a child")
    def sleep(self): time.sleep(60)
    def spin(self):
        while True: pass
    def allocate(self, size): return {"size": np.ones(size, np.uint8).size}
    def die(self): sys.stderr.write("first\\nIllegal instruction\\n"); sys.stderr.flush(); os._exit(3)
    def unsendable(self): return {"value": object()}
    def rubbish(self):
        for descriptor in range(3, 20):
            try: os.write(descriptor, bytes([4] + 15 * [0]) + b"abcd")
            except OSError: pass
        time.sleep(60)
"""


@pytest.fixture
def start(tmp_path: Path):
    """Start a process whose backend is the one above."""
    backend = tmp_path / "backend.py"
    backend.write_text(BACKEND)
    started = []

    def begin(script: str = BACKEND, **options) -> WorkerProcess:
        backend.write_text(script)
        started.append(WorkerProcess(Path(sys.executable), backend, "the runtime", **options))
        return started[-1]

    yield begin
    for process in started:
        process.close()


def test_values_go_there_and_back(start):
    array = np.arange(6, dtype=np.float16).reshape(2, 3)
    process = start()
    answer = process.request("echo", value={"a": array, "b": [None, b"x"]})
    np.testing.assert_array_equal(answer["value"]["a"], array)
    assert answer["value"]["b"] == [None, b"x"] and process.peak_memory > 1e6 and not process.ended


def test_an_error_is_one_line_and_the_process_lives_on(start):
    process = start()
    with pytest.raises(ValidationError, match=r"^the runtime: what went wrong$"):
        process.request("fail")
    with pytest.raises(ValidationError, match=r"^the runtime: KeyError$"):
        process.request("silent")
    with pytest.raises(ValidationError, match="a object cannot be sent"):
        process.request("unsendable")
    with pytest.raises(ValidationError, match="a set cannot be sent"):
        process.request("echo", value={1})
    assert process.request("echo", value=1) == {"value": 1}


def test_what_is_printed_there_does_not_reach_the_protocol(start):
    process = start()
    process.request("print")
    assert process.request("echo", value=2) == {"value": 2}


def test_a_process_that_dies_is_reported_with_its_last_words(start):
    process = start()
    for _ in range(2):
        with pytest.raises(ValidationError, match="process of the runtime ended unexpectedly: Illegal instruction"):
            process.request("die")
    assert process.ended


def test_a_process_that_hangs_is_stopped_in_time(start):
    process = start(timeout=3)
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(ValidationError, match=r"did not answer in 3 seconds"):
            process.request("sleep")
    assert time.monotonic() - began < 30


@pytest.mark.skipif(os.name == "nt", reason="Windows has no resource limits")
def test_memory_beyond_the_limit_is_an_error_there_and_not_here(start):
    process = start(memory=2 << 30)
    assert process.request("allocate", size=1 << 20) == {"size": 1 << 20}
    with pytest.raises(ValidationError, match="the runtime: out of memory"):
        process.request("allocate", size=3 << 30)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no resource limits")
def test_an_orphan_ends_by_its_limit_of_processor_time(start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module.os, "cpu_count", lambda: 1)
    script = BACKEND.replace("def spin(self):", "def spin(self):\n        os.cpu_count = None")
    process = start(script, timeout=60)
    # nobody waits for the answer: the time that the process itself was given ends it
    assert process._process.stdin is not None
    module.worker.send(process._process.stdin, {"do": "spin", "arguments": {}, "seconds": 0.1 / (os.cpu_count() or 1)})
    process._process.stdin.flush()
    assert process._process.wait(timeout=60) != 0


def test_a_backend_that_cannot_be_loaded_is_reported(start):
    process = start("import module_that_nobody_has")
    with pytest.raises(ValidationError, match="module_that_nobody_has"):
        process.request("echo", value=1)


def test_a_reply_that_is_none_ends_it(start):
    process = start()
    with pytest.raises(ValidationError, match="ended unexpectedly"):
        process.request("rubbish")
    assert process.ended


def test_a_closed_process_says_so(start):
    process = start()
    process.close()
    process.close()
    with pytest.raises(ValidationError, match="closed"):
        process.request("echo", value=1)
