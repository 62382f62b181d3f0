"""The messages, and what any Python does that runs a worker."""

import ast
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from zoosmith.validation.caffe2 import client
from zoosmith.validation.runtimes import worker

PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=9)
VALUES = st.recursive(
    PLAIN | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=9,
)


def through_a_pipe(message: dict) -> dict:
    stream = io.BytesIO()
    worker.send(stream, message)
    content = stream.getvalue()
    assert worker.receive(io.BytesIO(content[:-1])) is None
    stream.seek(0)
    received = worker.receive(stream)
    assert received is not None and not stream.read()
    return received


@given(st.dictionaries(st.text(st.characters(categories=["Ll"]), max_size=5), VALUES, max_size=4))
def test_values_come_back_as_they_were_sent(message: dict):
    assert through_a_pipe(message) == message


@given(
    arrays.arrays(
        st.sampled_from(["f2", "f4", "f8", "c8", "i8", "u1", "?"]), arrays.array_shapes(min_dims=0, min_side=0)
    )
)
def test_arrays_come_back_with_type_and_shape_and_can_be_written(array: np.ndarray):
    received = through_a_pipe({"value": [array, array.T]})["value"]
    for sent, got in zip([array, array.T], received, strict=True):
        assert got.dtype == sent.dtype and got.shape == sent.shape and got.flags.writeable
        assert got.tobytes() == np.ascontiguousarray(sent).tobytes()


def test_strings_bytes_and_maps_with_integer_keys_come_back():
    texts, raw = np.array([["ä", "b"]], object), np.array([b"\xff", b""], object)
    received = through_a_pipe({"texts": texts, "raw": raw, "map": [{3: np.float32(0.5)}]})
    assert received["texts"].tolist() == [["ä", "b"]] and received["raw"].tolist() == [b"\xff", b""]
    assert received["map"] == [{3: np.float32(0.5)}]


@pytest.mark.parametrize("value", [object(), {1, 2}, np.zeros(2, "V3"), np.array(["2026-01-01"], "M8[D]")])
def test_what_is_neither_json_nor_an_array_is_not_sent(value):
    with pytest.raises(TypeError, match="cannot be sent"):
        worker.send(io.BytesIO(), {"value": value})


def test_nothing_is_unpickled():
    for path in (worker.__file__, *backends()):
        assert "pickle." not in Path(path).read_text() and "np.load" not in Path(path).read_text()


def backends() -> list[str]:
    return [str(path) for path in (Path(worker.__file__).parent / "backends").glob("*_backend.py")]


@pytest.mark.parametrize(
    ("path", "version"),
    [(worker.__file__, (3, 6)), *((path, (3, 6)) for path in backends()), (str(client._BACKEND), (3, 8))],
    ids=lambda value: Path(value).name if isinstance(value, str) else "",
)
def test_what_runs_elsewhere_needs_no_newer_python_and_nothing_of_this_project(path: str, version: tuple[int, int]):
    source = Path(path).read_text()
    # older than (3, 7) ast cannot be told; what 3.7 brought to the grammar is nothing that is used here
    tree = ast.parse(source, feature_version=max(version, (3, 7)))
    imported = {
        name.name if isinstance(node, ast.Import) else node.module or ""
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in node.names
    }
    assert not {name for name in imported if name.split(".")[0] in ("validation", "convert", "zoosmith")}
    if version < (3, 7):
        assert "__future__" not in imported
