"""Quantize real nets, and measure them against the float ones and ONNX Runtime's static quantizer, all in one run.

python benchmarks/int8_real_models.py [--rounds 15] [--format integer] [--allow-contrib] [--min-cosine 0.99]
    [MODEL.onnx | FOLDER | NAME ...]

By default the nets of int8_nets.py (by name) and ../shared/models. Nets of pictures calibrate on pictures of natural
statistics, others on random inputs; others of the same kind measure the cosine between the outputs. Our model is
measured as it is fastest, and as the command writes it by default, with layers in float where the cosine needs them.
Speed is over the float model, in turns, on one thread; sizes are those of the files. A net that does not end in a file
says why. Whether the command has the notice that no speed-up is to be expected ends its part; the last lines count.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
import onnxruntime
from int8_nets import NETS
from net_samples import known, random_cases
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from zoosmith.files.calibration import Calibration
from zoosmith.files.quantization import MIN_COSINE, Accuracy, quantize_file
from zoosmith.onnx_model.errors import first_line
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.onnx_model.ports import input_ports
from zoosmith.opset_upgrade import convert_version
from zoosmith.quantize import quantize
from zoosmith.quantize.samples.natural_images import natural_images
from zoosmith.quantize.similarity import cosine
from zoosmith.quantize.target import FORMATS, Target
from zoosmith.validation import preprocessing

MODELS = Path(__file__).resolve().parents[2] / "shared/models"

# height and width of pictures where the model leaves them open
OPEN_SIZES = {"_det": (320, 320), "_rec": (48, 320), "_cls": (48, 192), "nudenet": (320, 320), "pnet": (96, 96)}
# what voice detectors are fed with in practice: sampling rate, values
SIGNALS = ((16000, 576), (8000, 288))


class Reader(CalibrationDataReader):
    """Feeds samples to ONNX Runtime's quantizer."""

    def __init__(self, samples: list[dict[str, np.ndarray]]) -> None:
        self._samples = iter(samples)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._samples, None)


def samples_of(name: str, model: onnx.ModelProto, count: int) -> list[dict[str, Any]]:
    """Pictures for a net of pictures, random inputs for others."""
    [port, *others] = [port for port in input_ports(model.graph) if port.required]
    shape = port.shape or ()
    channels = [axis for axis in (1, 3) if len(shape) == 4 and shape[axis] == 3]
    if "silero" in name:
        return signals(model, count)
    if others or not channels:
        return random_cases(model, count)
    axes = [axis for axis in (1, 2, 3) if axis != channels[0]]
    usual = next((sizes for part, sizes in OPEN_SIZES.items() if part in name), (64, 64))
    height, width = (known(shape[axis]) or size for axis, size in zip(axes, usual, strict=True))
    prepare = preprocessing("torchvision")
    images = (prepare(image, (height, width)) for image in natural_images(count, seed=0))
    return [{port.name: (image if channels == [1] else np.moveaxis(image, 0, -1))[None]} for image in images]


def signals(model: onnx.ModelProto, count: int) -> list[dict[str, Any]]:
    """Noise, of both sampling rates in turn where layers stand in branches, one for each rate."""
    ports = [port.name for port in input_ports(model.graph)]
    rates = 1 if any(node.op_type == "Conv" for node in model.graph.node) else 2
    cases = []
    for number in range(count):
        rate, length = SIGNALS[number % rates]
        shapes = {"input": (1, length), "state": (2, 1, 128), "h": (1, 1, 128), "c": (1, 1, 128)}
        stream = np.random.default_rng(number)
        floats = {name: stream.uniform(-1, 1, shapes[name]).astype(np.float32) for name in ports if name != "sr"}
        cases.append({**floats, **({"sr": np.array(rate)} if "sr" in ports else {})})
    return cases


def with_onnx_runtime(source: Path, output: Path, samples: list[dict[str, Any]]) -> None:
    """ONNX Runtime's own recipe: preprocess, then static quantization, int8 weights by channel, uint8 activations."""
    prepared = output.with_suffix(".prepared.onnx")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(
        str(prepared), str(output), Reader(samples), quant_format=QuantFormat.QDQ, per_channel=True, **kinds
    )


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def cosine_of(exact: onnxruntime.InferenceSession, found: onnxruntime.InferenceSession, cases: list[Any]) -> float:
    """The worst cosine of a float output, over all cases together; 1 where there is none."""
    names = [output.name for output in exact.get_outputs()]
    given = [[dict(zip(names, each.run(None, case), strict=True)) for case in cases] for each in (exact, found)]
    alike = cosine(*given)
    return 1.0 if alike is None else alike


def speeds(sessions: list[onnxruntime.InferenceSession], cases: list[Any], rounds: int) -> list[float]:
    """How many times faster than the first each is on all cases: the median over rounds in which each runs in turn."""
    times = []
    for index in range(rounds + 2):
        row = []
        for each in sessions:
            begin = time.perf_counter()
            for case in cases:
                each.run(None, case)
            row.append(time.perf_counter() - begin)
        if index >= 2:
            times.append(row)
    return [median(row[0] / row[column] for row in times) for column in range(len(sessions))]


# what the medians of two equal models differ by from run to run
_NOISE = 0.03


def verdict(ratio: float, reason: str | None) -> str:
    """Whether a notice of no speed-up stands where it should."""
    if reason is None:
        return "SLOWER AND UNSAID" if ratio < 1 - _NOISE else "no notice"
    return "notice though faster" if ratio > 1 + _NOISE else "notice"


def as_the_command_does(
    source: Path, output: Path, samples: list[dict[str, Any]], target: Target, min_cosine: float
) -> str | None:
    """Write the file that the command writes: layers stay in float where the cosine on held out samples needs them.

    Returns:
        Its notice that no speed-up is to be expected; None where there is none.
    """
    arrays, first = output.with_suffix(".npz"), samples[0]
    # arrays hold samples of one shape
    alike = [sample for sample in samples if all(sample[name].shape == first[name].shape for name in first)]
    joined = {name: np.concatenate([np.atleast_1d(sample[name]) for sample in alike]) for name in first}
    np.savez(arrays, **joined)
    found = quantize_file(
        source, output, Calibration(str(arrays), force=True), Accuracy(min_cosine=min_cosine), target=target
    )
    return found.summary.slow


def measured(name: str, model: onnx.ModelProto, arguments: argparse.Namespace) -> str:
    target = Target(arguments.format, contrib=arguments.allow_contrib)
    opset = default_opset(model) or 0
    model = model if opset >= 13 else convert_version(model, 13)
    samples = samples_of(name, model, 128)
    # the command holds a quarter out
    calibration, given, others = samples[:72], samples[:96], samples[96:]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        paths = {word: folder / f"{word}.onnx" for word in ("float", "ours", "command", "theirs")}
        onnx.save(model, paths["float"])
        makers: dict[str, Callable[[], str | None]] = {
            "ours": lambda: onnx.save(quantize(model, calibration, target=target), paths["ours"]),
            "command": lambda: as_the_command_does(
                paths["float"], paths["command"], given, target, arguments.min_cosine
            ),
            "theirs": lambda: with_onnx_runtime(paths["float"], paths["theirs"], calibration),
        }
        sessions, words = {"float": session(paths["float"])}, {}
        notice: str | None = None
        for word, make in makers.items():
            try:
                notice = make() or notice
                sessions[word] = session(paths[word])
            except Exception as error:  # whatever the quantizers and ONNX Runtime raise
                words[word] = f"none: {type(error).__name__}: {first_line(error)}"[:110]
        ratios = dict(zip(sessions, speeds(list(sessions.values()), others[:2], arguments.rounds), strict=True))
        for word, found in sessions.items():
            size = f"{paths[word].stat().st_size / 1e6:.2f} MB"
            same = f"cosine {cosine_of(sessions['float'], found, others):.4f}, " if word != "float" else ""
            words[word] = f"{same}{ratios[word]:.2f} x, {size}"
        if "command" in sessions:
            words["command"] += f", {verdict(ratios['command'], notice)}"
        return f"{words['float'].split(', ')[1]} | {words['ours']} | {words['command']} | {words['theirs']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=[*NETS, str(MODELS)])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--format", choices=FORMATS, default="integer", help="of our files")
    parser.add_argument("--allow-contrib", action="store_true", help="in our files")
    parser.add_argument("--min-cosine", type=float, default=MIN_COSINE, help="of the command")
    arguments = parser.parse_args()
    sources: list[str] = []
    for given in arguments.models:
        sources.extend(map(str, sorted(Path(given).glob("*.onnx"))) if Path(given).is_dir() else [given])
    print("net | float | zoosmith, fastest | zoosmith, the command | ONNX Runtime quantize_static")
    lines = []
    for source in sources:
        name = Path(source).stem
        model = NETS[source]() if source in NETS else onnx.load(source)
        try:
            line = measured(name, model, arguments)
        except Exception as error:  # one net is no reason to leave the others out
            line = f"not measured: {type(error).__name__}: {first_line(error)}"[:200]
        lines.append(line)
        print(f"{name} | {line}", flush=True)
    for words in ("SLOWER AND UNSAID", "notice though faster", ", notice |", "no notice"):
        print(f"{words.strip(', |')}: {sum(words in line for line in lines)} of {len(lines)}")


if __name__ == "__main__":
    main()
