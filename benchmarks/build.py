"""Time `zoosmith build` against the old tools by hand, for the same six rows with archives, in one run.

python benchmarks/build.py [--rounds 3]

By hand: Caffe2's exporter for opset 9 and Caffe2 itself for the outputs, edits of the model for 8, 7, 6 and 3, onnx's
converter for 12, the checker, ONNX Runtime for 7 and up and Caffe2's ONNX backend for 6 and 3, onnx's and numpy's files
for the data sets, tarfile with gzip. Each side is a process of its own from its start to its end; they take turns. The
peak is that of the largest process of a side. Caffe2 needs its environment, see `zoosmith runtime install caffe2`.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, helper, numpy_helper

ROWS = ("3", "6", "7", "8", "9", "12")
SETS = 3


def by_hand(nets: Path, out: Path) -> None:
    """Make, check and pack the rows with the old tools."""
    import onnxruntime
    from onnx import version_converter

    from zoosmith.validation.caffe2 import Caffe2Onnx, Caffe2Runner, Caffe2Worker

    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 3
    images = [
        np.random.RandomState(index).standard_normal((1, 3, 224, 224)).astype(np.float32) for index in range(SETS)
    ]
    with Caffe2Worker() as worker:
        predict, init = nets / "predict_net.pb", nets / "init_net.pb"
        worker.export(predict, init, {"data": (1, (1, 3, 224, 224))}, out / "densenet-9.onnx")
        runner = Caffe2Runner(predict, init, worker=worker)
        expected = [runner.run({"data": image})["fc6"] for image in images]
        nine = without_split_info(onnx.load(out / "densenet-9.onnx"))
        onnx.save(nine, out / "densenet-9.onnx")
        twelve = version_converter.convert_version(nine, 12)
        parameters = {tensor.name for tensor in twelve.graph.initializer}
        kept = [value for value in twelve.graph.input if value.name not in parameters]
        del twelve.graph.input[:]
        twelve.graph.input.extend(kept)
        twelve.ir_version = 4
        onnx.save(twelve, out / "densenet-12.onnx")
        for opset in (8, 7):
            onnx.save(relabelled(nine, opset), out / f"densenet-{opset}.onnx")
        for opset in (6, 3):
            onnx.save(older(nine, opset), out / f"densenet-{opset}.onnx")
        del nine, twelve
        for row in ROWS:
            path = out / f"densenet-{row}.onnx"
            onnx.checker.check_model(str(path), full_check=True)
            run: Callable[[np.ndarray], np.ndarray]
            if int(row) < 7:
                backend = Caffe2Onnx(path, worker=worker)
                run = lambda image, backend=backend: backend.run({"data": image})["fc6"]  # noqa: E731
            else:
                session = onnxruntime.InferenceSession(str(path), quiet, providers=["CPUExecutionProvider"])
                run = lambda image, session=session: session.run(None, {"data": image})[0]  # noqa: E731
            for image, output in zip(images, expected, strict=True):
                np.testing.assert_allclose(run(image), output, rtol=1e-3, atol=1e-3)
            pack(path, images, expected)


def without_split_info(model: ModelProto) -> ModelProto:
    """Drop the constants that the exporter writes for Concat's second output, which older opsets do not allow."""
    nodes = [node for node in model.graph.node if node.op_type != "Constant"]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def relabelled(model: ModelProto, opset: int) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    copy.opset_import[0].version = opset
    return copy


def older(model: ModelProto, opset: int) -> ModelProto:
    """The form of opset 6 or 3: Mul and Add broadcast by attribute, BatchNormalization says that it is a test."""
    copy = relabelled(model, opset)
    source = {node.output[0]: node.input[0] for node in copy.graph.node if node.op_type == "Unsqueeze"}
    nodes = [node for node in copy.graph.node if node.op_type != "Unsqueeze"]
    for node in nodes:
        if node.op_type in ("Mul", "Add"):
            node.input[1] = source[node.input[1]]
            node.attribute.extend([helper.make_attribute("axis", 1), helper.make_attribute("broadcast", 1)])
        if node.op_type == "BatchNormalization":
            node.attribute.append(helper.make_attribute("is_test", 1))
            if opset < 6:
                node.attribute.append(helper.make_attribute("consumed_inputs", [0, 0, 0, 1, 1]))
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy


def pack(path: Path, images: list[np.ndarray], outputs: list[np.ndarray]) -> None:
    folder = path.with_suffix("")
    folder.mkdir()
    shutil.copy(path, folder / "model.onnx")
    for index, (image, output) in enumerate(zip(images, outputs, strict=True)):
        data = folder / f"test_data_set_{index}"
        data.mkdir()
        (data / "input_0.pb").write_bytes(numpy_helper.from_array(image, "data").SerializeToString())
        (data / "output_0.pb").write_bytes(numpy_helper.from_array(output, "fc6").SerializeToString())
        np.savez(folder / f"test_data_{index}.npz", inputs=[image], outputs=[output])
    with tarfile.open(path.with_suffix(".tar.gz"), "w:gz") as tar:
        tar.add(folder, folder.name)
    shutil.rmtree(folder)


def measure(command: list[str]) -> tuple[float, float, float]:
    """Run a process; return its wall time, its and its children's processor time, and the peak in MB."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--by-hand", nargs=2, type=Path, metavar=("NETS", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.by_hand:
        by_hand(*arguments.by_hand)
        return
    from zoosmith.convert import write_net
    from zoosmith.recipes.densenet121 import DENSENET121_NET

    sides: dict[str, list[tuple[float, float, float]]] = {"old tools by hand": [], "zoosmith build": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = DENSENET121_NET.open(seed=0)
        (folder / "predict_net.pb").write_bytes(write_net(source.predict_net))
        (folder / "init_net.pb").write_bytes(source.init_net)
        for _ in range(arguments.rounds):
            for side, measured in sides.items():
                out = folder / "out"
                out.mkdir()
                if side == "zoosmith build":
                    command = ["-m", "zoosmith", "build", "--out", str(out), "--rows", ",".join(ROWS)]
                    command += ["--weights", str(folder / "init_net.pb")]
                else:
                    command = [__file__, "--by-hand", str(folder), str(out)]
                measured.append(measure([sys.executable, *command]))
                shutil.rmtree(out)
    print(f"six rows with archives, {SETS} data sets, {os.cpu_count()} cores, medians of {arguments.rounds} rounds")
    medians = {
        side: [statistics.median(column) for column in zip(*rounds, strict=True)] for side, rounds in sides.items()
    }
    for side, (wall, cpu, peak) in medians.items():
        print(f"{side:18} {wall:6.2f} s   processor {cpu:6.2f} s   peak {peak:5.0f} MB")
    old, new = medians.values()
    print(f"{'ratio':18} {old[0] / new[0]:6.2f}     processor {old[1] / new[1]:6.2f}")


if __name__ == "__main__":
    main()
