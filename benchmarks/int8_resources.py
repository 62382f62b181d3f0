"""What `zoosmith quantize` takes of time and memory, and what it makes, for this checkout and for another one in turn.

python benchmarks/int8_resources.py [--against CHECKOUT] [--products GB] [--options "..."] [--data own|random]
    [--rounds 9] [MODEL.onnx ...]

For each net and checkout one line: seconds, seconds of all processors, the peak of the resident set and how many copies
of the model that is over one of Python with its libraries, the smallest cosine of the file to the float net on samples
that were not calibrated on, its speed over the float net in turns on one thread, and the beginning of its hash.
`--products` makes a net of MatMul and Gemm with random weights of that size, in a data file beside it; that one is
neither compared nor timed. `--data random` calibrates on random inputs, `own` on samples of the net's kind, as
`int8_command.py` does.
"""

import argparse
import hashlib
import os
import shlex
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from int8_command import PHOTOGRAPHS, Net, compared, repeats
from int8_real_models import cosine_of, session, speeds
from onnx import TensorProto, helper

HERE = Path(__file__).resolve().parents[1]
WIDTH, ROWS = 5600, 4
COMMAND = "from zoosmith.cli import main; sys.exit(main())"
# what the command loads before it looks at a model
LIBRARIES = "import zoosmith.cli.quantize, zoosmith.quantize.mixed_precision, onnxruntime"


@dataclass(frozen=True)
class Taken:
    """What a command took: seconds, those of all processors together, and bytes at the peak."""

    seconds: float
    processor: float
    peak: int


def measured(code: str, arguments: list[str], checkout: Path) -> Taken:
    """Run code of a checkout, whatever the current folder is."""
    command = [sys.executable, "-c", f"import sys; sys.path[0] = {str(checkout)!r}; {code}", *arguments]
    start = time.perf_counter()
    with open(os.devnull, "wb") as nothing:
        process = os.posix_spawn(
            command[0],
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, nothing.fileno(), 1)],
        )
    _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"{shlex.join(arguments)}: ended with status {os.waitstatus_to_exitcode(status)}")
    return Taken(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def save_products(path: Path, gigabytes: float) -> None:
    """A chain of MatMul and Gemm; the weights are written one by one, so that this process stays small."""
    count = round(gigabytes * 1e9 / (4 * WIDTH * WIDTH))
    stream = np.random.default_rng(0)
    nodes, weights, value = [], [], "x"
    with open(path.with_suffix(".data"), "wb") as data:
        for number in range(count):
            tensor = TensorProto(name=f"w{number}", data_type=TensorProto.FLOAT, dims=[WIDTH, WIDTH])
            tensor.data_location = TensorProto.EXTERNAL
            entries = {"location": path.with_suffix(".data").name, "offset": data.tell(), "length": 4 * WIDTH * WIDTH}
            for key, entry in entries.items():
                tensor.external_data.add(key=key, value=str(entry))
            for _ in range(WIDTH):
                data.write((stream.standard_normal(WIDTH) / WIDTH**0.5).astype(np.float32).tobytes())
            weights.append(tensor)
            kind, more = ("Gemm", {"transB": 1}) if number % 2 else ("MatMul", {})
            nodes.append(helper.make_node(kind, [value, tensor.name], [f"p{number}"], **more))
            nodes.append(helper.make_node("LeakyRelu", [f"p{number}"], [f"r{number}"], alpha=0.5))
            value = f"r{number}"
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [ROWS, WIDTH]) for name in ("x", value)]
    graph = helper.make_graph(nodes, "products", ports[:1], ports[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def size_of(path: Path) -> int:
    return sum(each.stat().st_size for each in path.parent.glob(f"{path.stem}.*") if each.suffix in (".onnx", ".data"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT")
    parser.add_argument("--products", type=float, metavar="GB")
    parser.add_argument("--options", default="", help="more options of the command")
    parser.add_argument("--data", choices=("own", "random"), default="own")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    checkouts = [HERE, *([arguments.against.resolve()] if arguments.against else [])]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        own = {checkout: measured(LIBRARIES, [], checkout).peak for checkout in checkouts}
        models = list(arguments.models)
        if arguments.products:
            models.append(folder / "products.onnx")
            save_products(models[-1], arguments.products)
        for path in models:
            made_here = path.parent == folder
            net = None if made_here or arguments.data == "random" else Net(path, PHOTOGRAPHS, folder)
            samples = ["random", "--samples", "20"] if net is None else [str(net.arrays), "--force"]
            for checkout in checkouts:
                output = folder / f"{checkout.name}.int8.onnx"
                command = ["quantize", str(path), "-o", str(output), "--no-cache", "-q"]
                command += ["--calibrate", *samples, *shlex.split(arguments.options)]
                taken = measured(COMMAND, command, checkout)
                digest = hashlib.sha256(output.read_bytes()).hexdigest()[:12]
                line = (
                    f"{taken.seconds:6.1f} s, {taken.processor:6.1f} s of processors, peak {taken.peak / 1e6:6.0f} MB"
                )
                line += f", {(taken.peak - own[checkout]) / size_of(path):5.2f} copies"
                if net is not None:
                    found, exact = compared(output), compared(path)
                    speed = speeds([net.float, session(output)], net.others[:1] * repeats(net), arguments.rounds)[1]
                    line += f", cosine {cosine_of(exact, found, net.others):.4f}, {speed:.2f} x"
                label = "this checkout" if checkout == HERE else f"{checkout}"
                print(f"{path.stem:32} {label:16} {line}, {digest}", flush=True)
                output.unlink()


if __name__ == "__main__":
    main()
