"""The build against the real Caffe2: as its reference, and as a runtime of the rows that ONNX Runtime does not run."""

import tarfile
from pathlib import Path

import numpy as np
import onnx
import pytest

import zoosmith
from tests.zoosmith.built import FOLDER, Built
from zoosmith import BuildOptions
from zoosmith.validation import Caffe2Onnx, Caffe2Worker, compare

pytestmark = pytest.mark.caffe2


def message(archive: Path, name: str) -> np.ndarray:
    with tarfile.open(archive) as tar:
        file = tar.extractfile(f"{archive.name.removesuffix('.tar.gz')}/{name}")
        assert file is not None
        return onnx.numpy_helper.to_array(onnx.TensorProto.FromString(file.read()))


def test_the_real_caffe2_is_a_reference_that_every_row_meets(
    caffe2_environment: Path, default_build: Built, tmp_path: Path
) -> None:
    report = zoosmith.build(tmp_path, options=BuildOptions(rows="3,9,12", sets=2, reference="caffe2"))
    assert report.passed
    assert "computed by the real Caffe2" in (tmp_path / FOLDER / "README.md").read_text()
    for index in range(2):
        name = f"test_data_set_{index}/output_0.pb"
        real = message(tmp_path / FOLDER / "model" / "densenet-9.tar.gz", name)
        ours = message(default_build.archive("9"), name)
        # the interpreter rounds once, Caffe2 at every operator
        assert compare({"fc6": real}, {"fc6": ours}, rtol=0, atol=1e-5).passed
        assert not np.array_equal(real, ours)


@pytest.mark.parametrize("row", ["3", "6", "7", "8", "9"])
def test_caffe2s_onnx_backend_gives_the_rows_test_data(
    row: str, default_build: Built, caffe2_worker: Caffe2Worker
) -> None:
    backend = Caffe2Onnx(default_build.model(row), worker=caffe2_worker)
    archive = default_build.archive(row)
    for index in range(3):
        values = message(archive, f"test_data_set_{index}/input_0.pb")
        expected = message(archive, f"test_data_set_{index}/output_0.pb")
        found = compare({"fc6_1": expected}, backend.run({"data_0": values}))
        assert found.passed and found.same_top1, found.reason
    backend.close()
