"""Time the conversion of two net files to an ONNX file against Caffe2's own exporter, in one run.

python benchmarks/convert_speed.py [--init init_net.pb] [--rounds 9] [--growth 10000]

Both sides are warm and take turns. Caffe2 runs in its own environment (`zoosmith runtime install caffe2`). The
second table is a chain of Conv, SpatialBN, Mul, Add, Relu and MaxPool made here, at several lengths.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from zoosmith.convert import caffe2_to_onnx, read_net, write_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.onnx_model.saving import save_model
from zoosmith.validation.caffe2 import Caffe2Worker

SHARED = Path(__file__).resolve().parents[2] / "shared"
IMAGE = {"data": (1, [1, 3, 224, 224])}


def ours(predict: Path, init: Path, inputs: dict, output: Path) -> dict[str, float]:
    begin = time.perf_counter()
    model = caffe2_to_onnx(predict, init, inputs=inputs)
    converted = time.perf_counter()
    save_model(model, output)
    return {"convert": converted - begin, "save": time.perf_counter() - converted}


def race(predict: Path, init: Path, inputs: dict, folder: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of each round, ours and theirs in turn, the first round of each left out as warm-up.

    Each round writes new files: some file systems make a process wait for its data where it replaces a large file.
    """
    mine, theirs = [], []
    with Caffe2Worker() as worker:
        for _ in range(rounds + 1):
            for output in ("ours.onnx", "theirs.onnx"):
                (folder / output).unlink(missing_ok=True)
            mine.append(sum(ours(predict, init, inputs, folder / "ours.onnx").values()))
            theirs.append(sum(worker.export(predict, init, inputs, folder / "theirs.onnx")[0].values()))
    return mine[1:], theirs[1:]


def chain(count: int) -> tuple[NetDef, NetDef]:
    """A net of `count` operators and its parameters."""
    random = np.random.RandomState(0)
    net, init = NetDef(name="chain"), NetDef(name="chain_init")
    net.external_input.append("data")
    blob, channels = "data", 8

    def parameter(name: str, *shape: int) -> str:
        op = init.op.add(type="GivenTensorFill", output=[name], name="")
        values = np.abs(random.standard_normal(shape).ravel()).astype(np.float32)
        op.arg.add(name="values", floats=values.tolist())
        op.arg.add(name="shape", ints=shape)
        net.external_input.append(name)
        return name

    while len(net.op) < count:
        n = len(net.op)
        conv = net.op.add(type="Conv", output=[f"conv{n}"], name="")
        conv.input.extend([blob, parameter(f"w{n}", channels, channels, 3, 3)])
        conv.arg.add(name="kernel", i=3)
        conv.arg.add(name="pad", i=1)
        norm = net.op.add(type="SpatialBN", output=[f"bn{n}"], name="")
        norm.input.extend([f"conv{n}", *(parameter(f"{kind}{n}", channels) for kind in ("s", "b", "m", "v"))])
        norm.arg.add(name="is_test", i=1)
        for kind in ("Mul", "Add"):
            op = net.op.add(type=kind, input=[f"bn{n}", parameter(f"{kind}{n}", channels)], output=[f"bn{n}"], name="")
            op.arg.add(name="axis", i=1)
            op.arg.add(name="broadcast", i=1)
        net.op.add(type="Relu", input=[f"bn{n}"], output=[f"bn{n}"], name="")
        pool = net.op.add(type="MaxPool", input=[f"bn{n}"], output=[f"pool{n}"], name="")
        for name, value in (("kernel", 3), ("pad", 1), ("stride", 1)):
            pool.arg.add(name=name, i=value)
        blob = f"pool{n}"
    del net.op[count:]
    net.external_output.append(net.op[-1].output[0])
    return net, init


def report(label: str, mine: list[float], theirs: list[float]) -> None:
    a, b = statistics.median(mine), statistics.median(theirs)
    print(
        f"{label:28} zoosmith {a * 1000:8.1f} ms   Caffe2 {b * 1000:9.1f} ms   {b / a:5.1f} x"
        f"   (fastest {min(mine) * 1000:.1f} and {min(theirs) * 1000:.1f} ms, {min(theirs) / min(mine):.1f} x)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--init", type=Path, default=SHARED / "densenet121" / "init_net.pb")
    parser.add_argument("--predict", type=Path, default=SHARED / "caffe2_zoo" / "densenet121" / "predict_net.pbtxt")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--growth", type=int, default=10_000, help="operators of the largest net made here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        predict, init = folder / "predict_net.pb", folder / "init_net.pb"
        predict.write_bytes(write_net(read_net(arguments.predict)))
        report("DenseNet-121", *race(predict, arguments.init, IMAGE, folder, arguments.rounds))
        for count in (arguments.growth // 100, arguments.growth // 10, arguments.growth):
            net, parameters = chain(count)
            predict.write_bytes(write_net(net))
            init.write_bytes(write_net(parameters))
            shape = {"data": (1, [1, 8, 4, 4])}
            report(f"{count} operators", *race(predict, init, shape, folder, 3))


if __name__ == "__main__":
    main()
