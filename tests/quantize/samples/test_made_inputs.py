"""Made-up inputs come to every branch, and sound comes in frames that follow each other."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.quantize.samples.sound_nets import detector, fourier
from zoosmith.onnx_model.in_place import has_spans
from zoosmith.onnx_model.mapped import load_mapped
from zoosmith.onnx_model.traversal import subgraphs
from zoosmith.quantize.errors import QuantizeError
from zoosmith.quantize.samples.graph_inputs import choices, signal_input
from zoosmith.quantize.samples.made_inputs import random_cases, sound_cases
from zoosmith.validation import InputSource, runner_for

SOUND = detector({"then": fourier(64), "else": fourier(32)})


def test_an_input_that_fourier_transforms_read_is_a_signal() -> None:
    found = signal_input(SOUND)
    assert found is not None and (found.port.name, found.kernels) == ("x", (64, 32))


def test_transforms_are_known_whose_kernels_were_left_in_the_file(tmp_path: Path) -> None:
    model = detector({"then": fourier(256), "else": fourier(32)})
    for node in model.graph.node:
        for _, branch in subgraphs(node):
            model.graph.initializer.extend(branch.initializer)
            del branch.initializer[:]
    onnx.save(model, tmp_path / "net.onnx")
    mapped = load_mapped(tmp_path / "net.onnx")
    found = signal_input(mapped)
    assert has_spans(mapped) and found is not None and found.kernels == (256, 32)


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
    from zoosmith.validation.inputs.random_values import InputShape

    source = InputSource(shapes={"x": InputShape((2, 300))})
    assert sound_cases(SOUND, 1, source, None)[0]["x"].shape == (2, 300)
