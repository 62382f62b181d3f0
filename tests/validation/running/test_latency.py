"""Models are timed in turns; sizes count every file; memory is that of the model alone."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.progress import Recording
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.inputs.source import InputSource
from zoosmith.validation.running import latency
from zoosmith.validation.running.latency import measure, stored_size
from zoosmith.validation.running.memory import peak_memory


def product(path: Path, side: int, *, opset: int = 13) -> Path:
    """A matrix product of [batch, side] with [side, side] weights."""
    weights = np.random.RandomState(0).standard_normal((side, side)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weights"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", side])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", side])],
        [numpy_helper.from_array(weights, "weights")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


def test_models_take_turns_and_warm_up_rounds_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = [product(tmp_path / "a.onnx", 4), product(tmp_path / "b.onnx", 8)]
    order: list[str] = []
    # the warm-up rounds are slow; then the machine slows down by half, as others would make it
    seconds = iter([9.0, 9.0, 0.004, 0.002, 0.004, 0.002, 0.008, 0.004, 0.008, 0.002])

    def fake_time(runner: latency.OnnxRuntimeRunner, inputs: dict[str, np.ndarray]) -> float:
        order.append(Path(runner.name).stem)
        assert runner.run(inputs)
        return next(seconds)

    monkeypatch.setattr(latency, "_time", fake_time)
    progress = Recording()
    first, second = measure(models, runs=4, warmup=1, progress=progress)
    assert order == ["a", "b"] * 5
    assert progress.steps("1 thread") == [1, 2, 3, 4, 5]
    assert (first.median_ms, first.fastest_ms, first.speed) == (pytest.approx(6.0), pytest.approx(4.0), 1.0)
    assert (second.median_ms, second.fastest_ms, second.speed) == (pytest.approx(2.0), pytest.approx(2.0), 2.0)


def test_real_times_are_positive_and_in_order(tmp_path: Path) -> None:
    small, large = product(tmp_path / "a.onnx", 4), product(tmp_path / "b.onnx", 1024)
    results = measure([small, large], runs=5, threads=2, inputs=InputSource(dims={"batch": 64}))
    assert [(entry.model, entry.threads, entry.runs) for entry in results] == [(str(small), 2, 5), (str(large), 2, 5)]
    assert all(0 < entry.fastest_ms <= entry.median_ms for entry in results)
    assert set(results[0].as_dict()) == {
        "model",
        "threads",
        "runs",
        "median_ms",
        "fastest_ms",
        "speed",
        "times_ms",
        "shapes",
    }
    assert results[0].shapes == {"x": (64, 4)}


@pytest.mark.parametrize("counts", [{"threads": 0}, {"runs": 0}, {"warmup": -1}])
def test_counts_out_of_range_are_refused(tmp_path: Path, counts: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match=f"{next(iter(counts))} is"):
        measure([product(tmp_path / "a.onnx", 4)], **counts)  # type: ignore[arg-type]


def test_a_dimension_that_no_input_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="'height'"):
        measure([product(tmp_path / "a.onnx", 4)], inputs=InputSource(dims={"height": 4}))


def test_the_size_holds_the_files_beside_the_model(tmp_path: Path) -> None:
    whole = product(tmp_path / "a.onnx", 64)
    onnx.save(
        onnx.load(whole), tmp_path / "b.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    assert stored_size(whole) == whole.stat().st_size
    assert stored_size(tmp_path / "b.onnx") == sum((tmp_path / n).stat().st_size for n in ("b.onnx", "weights.bin"))
    assert (tmp_path / "weights.bin").stat().st_size >= 64 * 64 * 4


def test_memory_grows_by_what_a_model_holds(tmp_path: Path) -> None:
    small = peak_memory(product(tmp_path / "a.onnx", 4), {"x": np.zeros((1, 4), np.float32)})
    large = peak_memory(product(tmp_path / "b.onnx", 2048), {"x": np.zeros((2, 2048), np.float32)})
    if small is None or large is None:
        pytest.skip("the system does not tell the memory of a process")
    assert 2048 * 2048 * 4 < large - small < 6 * 2048 * 2048 * 4


def test_a_model_that_does_not_run_has_no_memory_figure(tmp_path: Path) -> None:
    path = product(tmp_path / "a.onnx", 4)
    model = onnx.load(path)
    model.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(model, path)
    with pytest.raises(ValidationError, match=r"a\.onnx: its memory cannot be measured: .*NoSuchOperator"):
        peak_memory(path, {"x": np.zeros((1, 4), np.float32)})
