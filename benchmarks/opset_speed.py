"""Time and memory of an opset conversion beside onnx's own converter.

usage: opset_speed.py [MODEL.onnx] [--to OPSET] [--rounds N]

Without MODEL: DenseNet-121 with synthetic weights at opset 9, to 12. Both converters get the same model object in one
process, in turns; medians. Peak memory is the resident set's, over what the process had with the model loaded, each
converter in a process of its own. Growth: chains of 1,000 and 10,000 nodes, up and down.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from onnx import ModelProto, TensorProto, helper, version_converter

from zoosmith.opset_upgrade import convert_version

Converter = Callable[[ModelProto, int], ModelProto]
CONVERTERS: dict[str, Converter] = {"ours": convert_version, "onnx": version_converter.convert_version}


def seconds(convert: Converter, model: ModelProto, target: int) -> float:
    start = time.perf_counter()
    convert(model, target)
    return time.perf_counter() - start


def timings(model: ModelProto, target: int, rounds: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in CONVERTERS}
    for _ in range(rounds):
        for name, convert in CONVERTERS.items():
            taken[name].append(seconds(convert, model, target))
    return {name: statistics.median(values) for name, values in taken.items()}


def peak(path: Path, target: int, name: str) -> float:
    """Peak over the loaded model, in bytes, measured in a process of its own."""
    command = [sys.executable, __file__, str(path), "--to", str(target), "--peak-of", name]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure_peak(path: Path, target: int, name: str) -> None:
    # a small conversion first, so that modules and tables count for neither
    CONVERTERS[name](chain(20), target)
    model = onnx.load(path)
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak is reset
    before = status("VmRSS")
    result = CONVERTERS[name](model, target)
    print(status("VmHWM") - before)
    del result


def status(field: str) -> int:
    """A figure of the process in bytes, as the kernel tells it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def chain(nodes: int) -> ModelProto:
    """A chain of operators whose versions differ at many opsets."""
    kinds = ("Relu", "Softmax", "Unsqueeze", "Squeeze", "Clip")
    made, name = [], "x"
    for index in range(nodes):
        kind, output = kinds[index % len(kinds)], f"v{index}"
        if kind in ("Unsqueeze", "Squeeze"):
            made.append(helper.make_node(kind, [name], [output], axes=[0]))
        elif kind == "Softmax":
            made.append(helper.make_node(kind, [name], [output], axis=1))
        else:
            made.append(helper.make_node(kind, [name], [output]))
        name = output
    shape = [2, 3]
    graph = helper.make_graph(
        made,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)], ir_version=4)


def growth() -> None:
    small, large = chain(1_000), chain(10_000)
    for source, target in ((9, 21), (21, 9)):
        models = [small, large] if source == 9 else [convert_version(model, source) for model in (small, large)]
        rounds = [[seconds(convert_version, model, target) for model in models] for _ in range(7)]
        times = [min(column) for column in zip(*rounds, strict=True)]
        ratio = times[1] / times[0]
        print(
            f"growth {source} -> {target}: 1,000 nodes {times[0]:.3f} s, 10,000 nodes {times[1]:.3f} s: {ratio:.1f} x"
        )


def densenet(folder: Path) -> Path:
    from zoosmith.recipes.densenet121 import DENSENET121_NET

    path = folder / "densenet-9.onnx"
    path.write_bytes(DENSENET121_NET.open(seed=0).model(9).SerializeToString())
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--to", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--peak-of", choices=list(CONVERTERS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak_of:
        measure_peak(options.model, options.to, options.peak_of)
        return
    with TemporaryDirectory() as folder:
        path = options.model or densenet(Path(folder))
        size, model = path.stat().st_size, onnx.load(path)
        print(f"{path.name}: {size:,} bytes, {len(model.graph.node)} nodes, to opset {options.to}")
        times = timings(model, options.to, options.rounds)
        for name, taken in times.items():
            print(f"time {name}: {taken * 1000:.1f} ms, {taken / times['onnx']:.3f} of onnx's")
        for name in CONVERTERS:
            over = peak(path, options.to, name)
            print(f"peak memory over the loaded model, {name}: {over / 1e6:.1f} MB, {over / size:.2f} x the file")
    growth()


if __name__ == "__main__":
    main()
