"""The protocol and its failures, with any Python in the place of Caffe2's."""

import ast
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from zoosmith.validation import Caffe2Worker, ValidationError
from zoosmith.validation.caffe2 import client, worker


@given(st.lists(st.binary(max_size=50), max_size=4), st.text(max_size=20))
def test_frames_come_back_as_they_were_sent(parts: list[bytes], word: str):
    stream = io.BytesIO()
    worker.write_frame(stream, {"word": word}, parts)
    content = stream.getvalue()
    stream.seek(0)
    header, received = worker.read_frame(stream) or ({}, [])
    assert header["word"] == word and received == parts
    assert worker.read_frame(io.BytesIO(content[:-1])) is None


@given(arrays.arrays(st.sampled_from(["f4", "f8", "i8", "u1", "?"]), arrays.array_shapes(min_dims=0, min_side=0)))
def test_arrays_come_back_with_type_and_shape(array: np.ndarray):
    received = worker.unpack_array(worker.pack_array(array))
    assert received.dtype == array.dtype and received.shape == array.shape
    assert received.tobytes() == np.ascontiguousarray(array).tobytes()


def test_strings_travel_as_bytes_and_python_objects_do_not():
    assert worker.unpack_array(worker.pack_array(np.array(["ab", b"c"], object))).tolist() == [b"ab", b"c"]
    pickled = io.BytesIO()
    np.save(pickled, np.array([{}], object), allow_pickle=True)
    with pytest.raises(ValueError, match="pickle"):
        worker.unpack_array(pickled.getvalue())


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Start a worker whose script is the given one."""

    def start(script: str, **options: float) -> Caffe2Worker:
        path = tmp_path / "script.py"
        path.write_text(script)
        monkeypatch.setattr(client, "find_environment", lambda: Path(sys.executable))
        monkeypatch.setattr(client.protocol, "__file__", str(path))
        return Caffe2Worker(**options)

    return start


def test_without_an_environment_the_error_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOOSMITH_CACHE", str(tmp_path))
    with pytest.raises(ValidationError, match="zoosmith caffe2 install"):
        Caffe2Worker()


def test_a_process_that_dies_is_reported_with_its_last_words(process):
    with process("import sys; print('first', file=sys.stderr); sys.exit('Illegal instruction')") as running:
        for _ in range(2):
            with pytest.raises(ValidationError, match="ended unexpectedly: Illegal instruction"):
                running.request("run")


def test_a_process_that_hangs_is_stopped_in_time(process):
    with process("import time; time.sleep(60)", timeout=0.2) as running:
        for _ in range(2):
            with pytest.raises(ValidationError, match=r"did not answer in 0\.2 seconds"):
                running.request("run")


def test_what_the_real_worker_prints_does_not_reach_the_protocol(process):
    noise = "    os.system('echo from a child'); print('from Python', flush=True)\n"
    script = Path(worker.__file__).read_text().replace("    server = _Server()", noise + "    server = _Server()")
    assert noise in script
    with process(script) as running:
        with pytest.raises(ValidationError, match="Caffe2: "):
            running.request("load_onnx", [b""])
        assert running.peak_memory > 1e6


def test_a_closed_process_says_so(process):
    running = process("import time; time.sleep(60)")
    running.close()
    running.close()
    with pytest.raises(ValidationError, match="closed"):
        running.request("run")


def test_the_worker_needs_nothing_that_python_3_9_lacks():
    source = Path(worker.__file__).read_text()
    ast.parse(source, feature_version=(3, 9))
    imported = {
        name.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in node.names
    }
    assert not {name for name in imported if name and name.split(".")[0] in ("validation", "convert", "zoosmith")}
