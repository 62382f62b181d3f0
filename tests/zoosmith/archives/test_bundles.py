import gzip
import hashlib
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tests.zoosmith.small_models import identity_model, scaling_model
from zoosmith.archives.bundles import bundle, validate
from zoosmith.onnx_model import saving
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.saving import save_model
from zoosmith.validation.inputs.source import InputSource
from zoosmith.validation.reading.unpacking import unpacked

CONTENT = "4ff16331422ee6e39923e1572171a8deadbe398e315d293d55793a59e30cec5a"


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A bundle of a small model."""
    save_model(scaling_model(np.linspace(1, 2, 6, dtype=np.float32)), tmp_path / "scale.onnx")
    bundle(tmp_path / "scale.onnx", tmp_path / "scale.tar.gz")
    return tmp_path / "scale.tar.gz"


def unpack(path: Path) -> Path:
    with unpacked(path) as folder:
        shutil.copytree(folder, path.parent / "unpacked")
    return path.parent / "unpacked" / path.name.removesuffix(".tar.gz")


def test_a_bundle_holds_the_files_of_the_zoo(packed: Path) -> None:
    with tarfile.open(packed) as tar:
        names = tar.getnames()
    sets = [
        name
        for index in range(3)
        for name in (
            f"scale/test_data_set_{index}/input_0.pb",
            f"scale/test_data_set_{index}/output_0.pb",
            f"scale/test_data_{index}.npz",
        )
    ]
    assert names == ["scale/model.onnx", *sets]


def test_the_npz_files_hold_what_the_messages_hold(packed: Path) -> None:
    folder = unpack(packed)
    for index in range(3):
        messages = [
            onnx.numpy_helper.to_array(TensorProto.FromString((folder / f"test_data_set_{index}" / name).read_bytes()))
            for name in ("input_0.pb", "output_0.pb")
        ]
        with np.load(folder / f"test_data_{index}.npz", allow_pickle=False) as arrays:
            assert sorted(arrays) == ["inputs", "outputs"]
            np.testing.assert_array_equal(arrays["inputs"], messages[:1])
            np.testing.assert_array_equal(arrays["outputs"], messages[1:])


def test_the_content_of_a_bundle_depends_on_no_version_of_numpy_or_python(packed: Path) -> None:
    assert hashlib.sha256(gzip.decompress(packed.read_bytes())).hexdigest() == CONTENT


def test_a_bundle_validates_packed_and_unpacked(packed: Path) -> None:
    for path in (packed, unpack(packed)):
        comparisons = validate(path)
        assert list(comparisons) == ["test_data_set_0", "test_data_set_1", "test_data_set_2"]
        assert all(comparison.passed and comparison.max_abs == 0 for comparison in comparisons.values())


def test_a_bundle_with_npz_files_only_validates(packed: Path) -> None:
    folder = unpack(packed)
    for index in range(3):
        shutil.rmtree(folder / f"test_data_set_{index}")
    assert list(validate(folder)) == ["test_data_0.npz", "test_data_1.npz", "test_data_2.npz"]
    assert all(comparison.passed for comparison in validate(folder).values())


def test_the_same_arguments_give_the_same_bytes_and_another_seed_others(packed: Path, tmp_path: Path) -> None:
    contents = []
    for name, seed in (("again", 0), ("other", 1)):
        (tmp_path / name).mkdir()
        bundle(tmp_path / "scale.onnx", tmp_path / name / "scale.tar.gz", inputs=InputSource(seed=seed))
        contents.append((tmp_path / name / "scale.tar.gz").read_bytes())
    assert contents[0] == packed.read_bytes()
    assert contents[1] != packed.read_bytes()


def test_a_model_that_gives_other_outputs_fails(packed: Path) -> None:
    folder = unpack(packed)
    save_model(scaling_model(np.linspace(1, 2.1, 6, dtype=np.float32)), folder / "model.onnx")
    comparisons = validate(folder)
    assert not any(comparison.passed for comparison in comparisons.values())


def test_tensors_beside_the_model_are_packed_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "_PROTOBUF_LIMIT", 1000)
    save_model(scaling_model(np.arange(512, dtype=np.float32)), tmp_path / "scale.onnx")
    bundle(tmp_path / "scale.onnx", tmp_path / "packed.tar.gz", sets=1)
    with tarfile.open(tmp_path / "packed.tar.gz") as tar:
        assert tar.getnames()[0] == "packed/model.onnx"
        assert tar.getnames()[1].startswith("packed/scale.onnx.")
    assert validate(tmp_path / "packed.tar.gz")["test_data_set_0"].passed


NUMPY_TYPES = [
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.FLOAT16,
    TensorProto.BOOL,
    TensorProto.STRING,
    TensorProto.INT8,
    TensorProto.INT16,
    TensorProto.INT32,
    TensorProto.INT64,
    TensorProto.UINT8,
    TensorProto.UINT16,
    TensorProto.UINT32,
    TensorProto.UINT64,
    TensorProto.COMPLEX64,
    TensorProto.COMPLEX128,
    TensorProto.BFLOAT16,
    TensorProto.FLOAT8E4M3FN,
]


@pytest.mark.parametrize("elem_type", NUMPY_TYPES, ids=TensorProto.DataType.Name)
def test_every_tensor_type_survives_packing(elem_type: int, tmp_path: Path) -> None:
    save_model(identity_model((elem_type, ["batch", 3])), tmp_path / "identity.onnx")
    bundle(tmp_path / "identity.onnx", tmp_path / "identity.tar.gz", sets=1, inputs=InputSource(dims={"batch": 2}))
    comparison = validate(tmp_path / "identity.tar.gz")["test_data_set_0"]
    assert comparison.passed, comparison.reason
    with tarfile.open(tmp_path / "identity.tar.gz") as tar:
        has_npz = any("npz" in name for name in tar.getnames())
    assert has_npz == (elem_type not in (TensorProto.BFLOAT16, TensorProto.FLOAT8E4M3FN))


@settings(max_examples=25, deadline=None)
@given(
    shapes=st.lists(st.lists(st.integers(0, 3), max_size=4), min_size=1, max_size=4),
    types=st.lists(st.sampled_from(NUMPY_TYPES[:13]), min_size=4, max_size=4),
)
def test_any_ports_survive_packing(shapes: list[list[int]], types: list[int], tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("ports")
    save_model(identity_model(*zip(types, shapes, strict=False)), folder / "identity.onnx")
    bundle(folder / "identity.onnx", folder / "identity.tar.gz", sets=1)
    assert validate(folder / "identity.tar.gz")["test_data_set_0"].passed
    inner = unpack(folder / "identity.tar.gz")
    shutil.rmtree(inner / "test_data_set_0")
    assert validate(inner)["test_data_0.npz"].passed


def test_sequences_and_optionals_survive_packing(tmp_path: Path) -> None:
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, [2])
    sequence = helper.make_sequence_type_proto(tensor)
    graph = helper.make_graph(
        [helper.make_node("Identity", ["s"], ["t"]), helper.make_node("Optional", ["x"], ["o"])],
        "kinds",
        [helper.make_value_info("s", sequence), helper.make_value_info("x", tensor)],
        [helper.make_value_info("t", sequence), helper.make_value_info("o", helper.make_optional_type_proto(tensor))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    save_model(model, tmp_path / "kinds.onnx")
    bundle(tmp_path / "kinds.onnx", tmp_path / "kinds.tar.gz", sets=1)
    assert validate(tmp_path / "kinds.tar.gz")["test_data_set_0"].passed


def test_a_model_of_an_opset_that_onnx_runtime_does_not_run_is_packed(tmp_path: Path) -> None:
    save_model(scaling_model(np.ones(4, np.float32), opset=6), tmp_path / "old.onnx")
    bundle(tmp_path / "old.onnx", tmp_path / "old.tar.gz", sets=1)
    assert validate(tmp_path / "old.tar.gz")["test_data_set_0"].passed


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda folder: (folder / "model.onnx").unlink(),
            "expected one model, model.onnx beside its test data, found none",
        ),
        (lambda folder: shutil.copy(folder / "model.onnx", folder / "b.onnx"), "found b.onnx, model.onnx"),
        (
            lambda folder: (folder / "test_data_set_1" / "output_0.pb").unlink(),
            "test_data_set_1/output_0.pb: cannot be",
        ),
        (
            lambda folder: (folder / "test_data_set_1" / "input_0.pb").write_bytes(b"text"),
            "test_data_set_1/input_0.pb: damaged or unsupported: expected onnx's TensorProto for 'x'",
        ),
    ],
    ids=["no model", "two models", "no output", "no message"],
)
def test_a_damaged_bundle_is_refused_by_file(damage: Any, message: str, packed: Path) -> None:
    folder = unpack(packed)
    damage(folder)
    with pytest.raises(ZoosmithError, match=message):
        validate(folder)


def test_a_folder_without_test_data_is_refused(tmp_path: Path) -> None:
    save_model(scaling_model(np.ones(4, np.float32)), tmp_path / "model.onnx")
    with pytest.raises(ZoosmithError, match="no test data: expected test_data_set_0"):
        validate(tmp_path)


def test_pickles_are_refused(packed: Path) -> None:
    folder = unpack(packed)
    for index in range(3):
        shutil.rmtree(folder / f"test_data_set_{index}")
    pickled = np.array([{"not": "a tensor"}], dtype=object)
    np.savez(folder / "test_data_0.npz", inputs=pickled, outputs=pickled)
    with pytest.raises(ZoosmithError, match=r"test_data_0\.npz: array 'inputs' holds objects"):
        validate(folder)
