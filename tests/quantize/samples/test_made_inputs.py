"""Made-up inputs come to every branch, and sound comes in frames that follow each other."""

from itertools import pairwise

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoosmith.quantize.errors import QuantizeError
from zoosmith.quantize.samples.graph_inputs import choices, signal_input
from zoosmith.quantize.samples.made_inputs import random_cases, sound_cases
from zoosmith.validation import InputSource, runner_for

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def fourier(width: int) -> np.ndarray:
    """Kernels of cosines and sines: float32 of shape (width, 1, width)."""
    phase = 2 * np.pi * np.arange(width // 2)[:, None] * np.arange(width)[None, :] / width
    return np.concatenate([np.cos(phase), np.sin(phase)])[:, None].astype(np.float32)


def branch(name: str, kernels: np.ndarray) -> onnx.GraphProto:
    """The largest value of a convolution of the outer graph's `signal`."""
    width = kernels.shape[-1]
    nodes = [
        helper.make_node("Conv", ["signal", f"{name}_kernels"], [f"{name}_conv"], strides=[width // 2]),
        helper.make_node("ReduceMax", [f"{name}_conv"], [f"{name}_max"], axes=[2], keepdims=0),
    ]
    output = helper.make_tensor_value_info(f"{name}_max", FLOAT, None)
    return helper.make_graph(nodes, name, [], [output], [numpy_helper.from_array(kernels, f"{name}_kernels")])


def detector(kernels: dict[str, np.ndarray], comparison: str = "Equal") -> onnx.ModelProto:
    """A net of sound `x`, its sampling rate, and a state that is added to; with a branch for the rate 16000."""
    nodes = [
        helper.make_node("Unsqueeze", ["x"], ["signal"], axes=[1]),
        helper.make_node(comparison, ["rate", "sixteen"], ["is"]),
        helper.make_node(
            "If",
            ["is"],
            ["found"],
            then_branch=branch("then", kernels["then"]),
            else_branch=branch("else", kernels["else"]),
        ),
        helper.make_node("Add", ["state", "one"], ["new_state"]),
    ]
    inputs = [
        helper.make_tensor_value_info("x", FLOAT, [None, None]),
        helper.make_tensor_value_info("state", FLOAT, [1, 7]),
        helper.make_tensor_value_info("rate", INT64, []),
    ]
    outputs = [
        helper.make_tensor_value_info("found", FLOAT, None),
        helper.make_tensor_value_info("new_state", FLOAT, [1, 7]),
    ]
    constants = [
        numpy_helper.from_array(np.array(16000), "sixteen"),
        numpy_helper.from_array(np.array(1, np.float32), "one"),
    ]
    graph = helper.make_graph(nodes, "detector", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=7)


SOUND = detector({"then": fourier(64), "else": fourier(32)})


def test_an_input_that_fourier_transforms_read_is_a_signal() -> None:
    found = signal_input(SOUND)
    assert found is not None and (found.port.name, found.kernels) == ("x", (64, 32))


def test_kernels_that_were_learned_make_no_signal() -> None:
    learned = np.random.RandomState(0).randn(64, 1, 64).astype(np.float32)
    model = detector({"then": learned, "else": learned})
    assert signal_input(model) is None
    with pytest.raises(QuantizeError, match="Fourier transform"):
        sound_cases(model, 2, InputSource(), None)


def test_numbers_that_the_graph_compares_with_are_choices() -> None:
    assert choices(SOUND) == {"rate": [16000, 16001]}
    kernels = {"then": fourier(64), "else": fourier(32)}
    assert choices(detector(kernels, "Less")) == {"rate": [15999, 16000, 16001]}


def test_random_inputs_come_to_both_branches() -> None:
    samples = random_cases(SOUND, 6, InputSource(), None)
    assert [int(sample["rate"]) for sample in samples] == [16000, 16001] * 3
    run = runner_for(SOUND).run
    # the branch of the wider kernels has more of them
    assert [run(sample)["found"].shape[1] for sample in samples] == [64, 32] * 3


def test_sound_comes_in_frames_of_a_length_that_fits_the_transform() -> None:
    samples = sound_cases(SOUND, 8, InputSource(), None)
    assert {sample["x"].shape for sample in samples} == {(1, 144)}
    frames = [samples[index]["x"] for index in (0, 2, 4, 6)]
    assert not any(np.array_equal(a, b) for a, b in pairwise(frames))


def test_states_are_those_that_the_model_made_of_the_frame_before() -> None:
    samples = sound_cases(SOUND, 8, InputSource(), None)
    # asked for in any order; each branch has a sequence of its own
    assert [float(samples[index]["state"][0, 0]) for index in (7, 0, 2, 3, 6)] == [3, 0, 1, 1, 3]


def test_sizes_that_a_user_gives_are_kept() -> None:
    from zoosmith.validation.testdata import InputShape

    source = InputSource(shapes={"x": InputShape((2, 300))})
    assert sound_cases(SOUND, 1, source, None)[0]["x"].shape == (2, 300)
