"""Time and memory of commands on a large file, against `cp` of it and onnx's converter, in turns.

python benchmarks/large_files.py [--model MODEL.onnx] [--to OPSET] [--layers 12] [--rounds 5]

Without a model: a ViT-B/16 of opset 18, made here with random weights, 346 MB. Every command is a process of its own,
from its start to its end; the file is in the page cache. Times are medians over the rounds, and medians of the ratios
to the `cp` before it; peaks are the resident set's, over the size of the file. "Of its own" is what the command takes
on the same graph with narrow weights: its start, and the work on the graph.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from zoosmith.onnx_model.saving import save_model

WIDTH, HEADS, PATCH, IMAGE, CLASSES = 768, 12, 16, 224, 1000
NARROW = 12
BY_ONNX = """
import sys, onnx
from onnx import version_converter
onnx.save(version_converter.convert_version(onnx.load(sys.argv[1]), int(sys.argv[2])), sys.argv[3])
"""


class Vit:
    """A vision transformer with random weights."""

    def __init__(self, layers: int, width: int = WIDTH) -> None:
        self.width = width
        self.random = np.random.default_rng(0)
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []
        tokens = (IMAGE // PATCH) ** 2
        patches = self.op("Conv", "image", self.weight(self.width, 3, PATCH, PATCH), strides=[PATCH, PATCH])
        flat = self.op("Reshape", patches, self.constant([0, self.width, tokens]))
        x = self.op("Add", self.op("Transpose", flat, perm=[0, 2, 1]), self.weight(1, tokens, self.width))
        for _ in range(layers):
            x = self.op("Add", x, self.attention(self.norm(x)))
            x = self.op("Add", x, self.mlp(self.norm(x)))
        pooled = self.op("ReduceMean", self.norm(x), self.constant([1]), keepdims=0)
        self.linear(pooled, self.width, CLASSES, output="logits")

    def op(self, kind: str, *inputs: str, output: str = "", **attributes: object) -> str:
        name = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, values: list[int] | float) -> str:
        dtype = np.int64 if isinstance(values, list) else np.float32
        return self.tensor(np.asarray(values, dtype))

    def weight(self, *shape: int) -> str:
        return self.tensor(self.random.standard_normal(shape, np.float32) * np.float32(0.02))

    def tensor(self, array: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(array, f"w{len(self.weights)}"))
        return self.weights[-1].name

    def norm(self, x: str) -> str:
        return self.op("LayerNormalization", x, self.weight(self.width), self.weight(self.width), axis=-1)

    def linear(self, x: str, inner: int, outer: int, output: str = "") -> str:
        return self.op("Add", self.op("MatMul", x, self.weight(inner, outer)), self.weight(outer), output=output)

    def attention(self, x: str) -> str:
        heads = [0, 0, HEADS, self.width // HEADS]
        query, key, value = (
            self.op("Reshape", self.linear(x, self.width, self.width), self.constant(heads)) for _ in range(3)
        )
        scores = self.op(
            "MatMul", self.op("Transpose", query, perm=[0, 2, 1, 3]), self.op("Transpose", key, perm=[0, 2, 3, 1])
        )
        shares = self.op("Softmax", self.op("Mul", scores, self.constant((self.width // HEADS) ** -0.5)), axis=-1)
        mixed = self.op("MatMul", shares, self.op("Transpose", value, perm=[0, 2, 1, 3]))
        joined = self.op("Reshape", self.op("Transpose", mixed, perm=[0, 2, 1, 3]), self.constant([0, 0, self.width]))
        return self.linear(joined, self.width, self.width)

    def mlp(self, x: str) -> str:
        wide = self.linear(x, self.width, 4 * self.width)
        share = self.op("Erf", self.op("Mul", wide, self.constant(0.5**0.5)))
        half = self.op("Mul", wide, self.constant(0.5))
        return self.linear(self.op("Mul", half, self.op("Add", share, self.constant(1.0))), 4 * self.width, self.width)

    def model(self) -> ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "vit",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, IMAGE, IMAGE])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
            self.weights,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def measured(command: list[str]) -> tuple[float, int]:
    """Seconds that a command takes, and the peak of its resident set in bytes."""
    start = time.perf_counter()
    with open(os.devnull, "wb") as nothing:
        process = os.posix_spawn(
            command[0],
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, nothing.fileno(), 1), (os.POSIX_SPAWN_DUP2, nothing.fileno(), 2)],
        )
    _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}: ended with status {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def commands(model: Path, output: Path, target: int) -> dict[str, list[str]]:
    zoosmith = [sys.executable, "-m", "zoosmith"]
    written = ["-o", str(output)]
    return {
        "opset --no-verify": [*zoosmith, "opset", str(model), *written, "--to", str(target), "--no-verify", "-q"],
        "opset": [*zoosmith, "opset", str(model), *written, "--to", str(target), "-q"],
        "simplify --no-verify": [*zoosmith, "simplify", str(model), *written, "--no-verify", "-q"],
        "simplify": [*zoosmith, "simplify", str(model), *written, "-q"],
        "inspect": [*zoosmith, "inspect", str(model), "-q"],
        "onnx's converter": [sys.executable, "-c", BY_ONNX, str(model), str(target), str(output)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--to", type=int, default=21)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", help="a command, as the table calls it")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--width", type=int, default=WIDTH, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        save_model(Vit(options.layers, options.width).model(), options.make)
        return
    with tempfile.TemporaryDirectory(dir=options.model.parent if options.model else None) as name:
        folder = Path(name)
        model, small, output = folder / "model.onnx", folder / "narrow.onnx", folder / "out.onnx"
        # in processes of their own: what this one has counts in the peak of the processes that it starts
        make = [sys.executable, __file__, "--layers", str(options.layers), "--make"]
        subprocess.run([*make, str(small), "--width", str(NARROW)], check=True)
        if options.model is None:
            subprocess.run([*make, str(model)], check=True)
        else:
            shutil.copyfile(options.model, model)
        size = model.stat().st_size
        print(f"{options.model or 'ViT-B/16'}: {size / 1e6:.0f} MB, to opset {options.to}", flush=True)
        copy, own = ["/bin/cp", str(model), str(folder / "copy.onnx")], commands(small, output, options.to)
        for label, command in commands(model, output, options.to).items():
            if options.only and label not in options.only:
                continue
            starts, copies, taken, peaks, own_peaks = [], [], [], [], []
            for _ in range(options.rounds):
                for path in (output, Path(copy[-1])):
                    path.unlink(missing_ok=True)
                start, own_peak = measured(own[label])
                starts.append(start)
                own_peaks.append(own_peak)
                output.unlink(missing_ok=True)
                copies.append(measured(copy)[0])
                seconds, peak = measured(command)
                taken.append(seconds)
                peaks.append(peak)
            ratio = statistics.median(mine / other for mine, other in zip(taken, copies, strict=True))
            rest = statistics.median(
                (mine - begun) / other for mine, begun, other in zip(taken, starts, copies, strict=True)
            )
            print(
                f"{label:22} {statistics.median(taken):6.2f} s, {ratio:5.1f} x cp ({statistics.median(copies):.2f} s); "
                f"of its own {statistics.median(starts):.2f} s, without that {rest:5.1f} x cp; "
                f"peak {max(peaks) / 1e6:6.0f} MB, {max(peaks) / size:.2f} x the file; of its own "
                f"{max(own_peaks) / 1e6:.0f} MB, without that {(max(peaks) - max(own_peaks)) / size:.2f} x the file",
                flush=True,
            )


if __name__ == "__main__":
    main()
