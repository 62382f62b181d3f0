"""Convert published Caffe2 nets, run them in ONNX Runtime and in the real Caffe2 on the same inputs, and compare.

python benchmarks/public_nets.py [--zoo FOLDER] [--only TEXT] [--size 800]

A line for each net: the opset, the largest error of each kind of output, whether it is within the tolerances, and how
long each side took. Nets come with their weights where these are published, else with seeded ones. Detections are
compared as sets, since Caffe2's sort of equal scores is not stable. Of the int8 detection net, where many scores are
equal, each part between two sorts runs on the real Caffe2's own blobs, and its integers have to be the same.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx.helper import np_dtype_to_tensor_dtype

from zoosmith.convert import caffe2_to_onnx, read_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.validation import Caffe2Runner, Caffe2Worker, OnnxRuntimeRunner

ROOT = Path(__file__).resolve().parents[1]
# of the largest number of an output; of each number of a detection
RTOL, ATOL = 1e-4, 1e-3
# one step of a byte, where a float on the border between two is cut off
BYTE_STEPS = 1
DETECTIONS = ("score_nms", "bbox_nms", "class_nms")

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Job:
    """A net with its weights and inputs, the blobs to compare, and what may differ there."""

    name: str
    net: NetDef
    init: NetDef
    inputs: Arrays
    outputs: Sequence[str]
    detections: bool = False


@dataclass
class Result:
    """What was found of a net: how far it is off, whether that is right, and the seconds of both sides."""

    opset: int
    error: str
    right: bool
    ours: float
    theirs: float


def filled(parameters: Mapping[str, np.ndarray]) -> NetDef:
    """An init net of these parameters."""
    init = NetDef(name="init")
    for name, value in parameters.items():
        op = init.op.add(type="GivenTensorFill", output=[name])
        op.arg.add(name="shape", ints=value.shape)
        op.arg.add(name="values", floats=value.ravel().tolist())
    return init


def seeded(shapes: Mapping[str, Sequence[int]]) -> Arrays:
    """Weights under which the numbers neither vanish nor grow: He's scale, small biases, variances about one."""
    random = np.random.RandomState(0)
    made: Arrays = {}
    for name, shape in shapes.items():
        values = random.standard_normal(shape)
        if len(shape) > 1:
            values *= np.sqrt(2 / np.prod(shape[1:]))
        elif name.endswith(("_var", "_scale", "bn_w")):
            values = 1 + 0.1 * np.abs(values)
        else:
            values *= 0.05
        made[name] = values.astype(np.float32)
    return made


def classifier(folder: Path) -> Iterator[Job]:
    net = read_net(next(folder.glob("predict_net.pb*")))
    ((blob, (_, shape)),) = json.loads((folder / "value_info.json").read_text()).items()
    data = np.random.RandomState(1).standard_normal(shape).astype(np.float32)
    init = filled(seeded(json.loads((folder / "shapes.json").read_text())))
    yield Job(folder.name, net, init, {blob: data}, net.external_output)


def style(folder: Path) -> Iterator[Job]:
    net, init = read_net(folder / "predict_net.pb"), read_net(folder / "init_net.pb")
    picture = np.random.RandomState(1).randint(0, 256, (1, 30, 40, 4)).repeat(8, 1).repeat(8, 2)
    yield Job(folder.name, net, init, {"data_int8_bgra": picture.astype(np.uint8)}, net.external_output)


def detectron(folder: Path, size: int) -> Iterator[Job]:
    sys.path.insert(0, str(ROOT))
    from tests.convert import detectron_net  # the seeded weights under which the net finds objects

    init = detectron_net.init_net(detectron_net.spread_scores(detectron_net.parameters()))
    random = np.random.RandomState(1)
    squares = random.standard_normal((1, 3, 10, 10)).repeat(-(-size // 10), 2).repeat(-(-size // 10), 3)
    image = (squares + 0.5 * random.standard_normal(squares.shape))[..., :size, :size].astype(np.float32)
    inputs = {"data": image, "im_info": np.float32([[size, size, 1]])}
    yield Job(folder.name, read_net(folder / "predict_net.pbtxt"), init, inputs, DETECTIONS, detections=True)


def mask_rcnn(folder: Path, worker: Caffe2Worker) -> Iterator[Job]:
    """The whole net; of the int8 one, the parts between the sorts of boxes, on the real Caffe2's blobs."""
    net, init = read_net(folder / "predict_net.pb"), read_net(folder / "init_net.pb")
    with np.load(folder / "io.npz") as archive:
        inputs = {name: archive[name] for name in ("data", "im_info")}
    if not any(op.type.startswith("Int8") for op in net.op):
        yield Job(folder.name, net, init, inputs, net.external_output)
        return
    places = {op.type: n for n, op in enumerate(net.op)}
    sorts = [places["GenerateProposals"], places["BoxWithNMSLimit"]]
    parts = [net.op[: sorts[0]], net.op[sorts[0] + 1 : sorts[1]], net.op[sorts[1] + 1 :]]
    blobs = [blob for op in net.op for blob in op.output]
    runner = Caffe2Runner(net, init, worker=worker)
    real = inputs | runner.run(inputs, outputs=[*blobs, "mask_fcn_probs"])
    runner.close()
    weights = {blob for op in init.op for blob in op.output}
    for title, between in zip(("to the proposals", "the boxes", "the masks"), parts, strict=True):
        # an int8 blob cannot be fed: what reads one of an earlier part is given itself
        own = {blob for op in between for blob in op.output}
        earlier = {blob for blob, value in real.items() if value.dtype == np.uint8 and blob not in own}
        ops = [op for op in between if earlier.isdisjoint(op.input)]
        part = NetDef(name=net.name, op=ops)
        made = {blob for op in ops for blob in op.output}
        inner = [op for outer in ops for op in (outer, *(x for a in outer.arg for x in a.n.op))]
        wanted = [blob for op in ops for blob in op.output] if title != "the masks" else ["mask_fcn_probs"]
        read = dict.fromkeys(blob for op in inner for blob in op.input if blob in real and blob not in made)
        feeds = {blob: real[blob] for blob in read}
        part.external_input.extend([*feeds, *weights])
        part.external_output.extend(wanted)
        yield Job(f"{folder.name}: {title}", part, init, feeds, wanted)
    chosen = net.op[sorts[1]]
    part = NetDef(name=net.name, op=[chosen], external_input=chosen.input, external_output=chosen.output)
    feeds = {blob: real[blob] for blob in chosen.input}
    yield Job(f"{folder.name}: the selection", part, NetDef(name="init"), feeds, DETECTIONS, detections=True)


def jobs(zoo: Path, only: str, size: int, worker: Caffe2Worker) -> Iterator[Job]:
    for folder in sorted(path for path in zoo.iterdir() if path.is_dir() and only in path.name):
        if "mask_rcnn" in folder.name:
            yield from mask_rcnn(folder, worker)
        elif "detectron" in folder.name:
            yield from detectron(folder, size)
        elif "style" in folder.name:
            yield from style(folder)
        else:
            yield from classifier(folder)


def measure(job: Job, worker: Caffe2Worker) -> Result:
    """Run a net on both sides and compare."""
    kinds = {blob: (np_dtype_to_tensor_dtype(x.dtype), x.shape) for blob, x in job.inputs.items()}
    model = caffe2_to_onnx(job.net, job.init, inputs=kinds, outputs=list(job.outputs), opset=None, names="caffe2")
    begin = time.perf_counter()
    ours = dict(zip(job.outputs, OnnxRuntimeRunner(model).run(job.inputs).values(), strict=True))
    middle = time.perf_counter()
    runner = Caffe2Runner(job.net, job.init, worker=worker)
    theirs = runner.run(job.inputs, outputs=list(job.outputs))
    runner.close()
    end = time.perf_counter()
    error, right = detections_differ(theirs, ours) if job.detections else outputs_differ(theirs, ours)
    return Result(model.opset_import[0].version, error, right, middle - begin, end - middle)


def outputs_differ(theirs: Arrays, ours: Arrays) -> tuple[str, bool]:
    """The largest error of floats, as a part of the largest number of their output, and the integers that differ."""
    error, differing, integers, right = 0.0, 0, 0, True
    for name, expected in theirs.items():
        found = ours[name]
        if found.shape != expected.shape or found.dtype != expected.dtype:
            return f"{name}: {found.dtype}{found.shape}, expected {expected.dtype}{expected.shape}", False
        distance = np.abs(found.astype(np.float64) - expected)
        if expected.dtype.kind == "f":
            largest = np.abs(expected).max(initial=0.0)
            error = max(error, distance.max(initial=0.0) / (largest or 1.0))
        else:
            differing, integers = differing + np.count_nonzero(distance), integers + distance.size
            # only an image of bytes is cut off from floats, all other integers are computed as such
            right &= bool(distance.max(initial=0) <= (BYTE_STEPS if len(theirs) == 1 else 0))
    right &= error <= RTOL
    parts = (
        [f"largest error {error:.2g} of the largest number"]
        if any(x.dtype.kind == "f" for x in theirs.values())
        else []
    )
    parts += [f"{differing} of {integers} integers differ"] if integers else []
    return ", ".join(parts), right


def detections_differ(theirs: Arrays, ours: Arrays) -> tuple[str, bool]:
    """The largest error between each detection and the nearest one of its class on the other side."""
    rows, free = (
        np.column_stack([found[n] for n in ("class_nms", "score_nms", "bbox_nms")]) for found in (theirs, ours)
    )
    error, missing = 0.0, abs(len(rows) - len(free))
    for row in rows:
        same = np.flatnonzero(free[:, 0] == row[0])
        if not same.size:
            missing += 1
            continue
        distances = np.abs(free[same] - row).max(axis=1)
        nearest = int(same[distances.argmin()])
        if np.allclose(free[nearest], row, 1e-3, ATOL):
            error = max(error, distances.min())
            free = np.delete(free, nearest, axis=0)
        else:
            missing += 1
    return f"largest error {error:.2g}, {missing} of {len(rows)} detections without their like", missing == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zoo", type=Path, default=ROOT.parent / "shared" / "caffe2_zoo")
    parser.add_argument("--only", default="", help="nets whose folder's name holds this")
    parser.add_argument("--size", type=int, default=800, help="height and width of the Detectron net's image")
    options = parser.parse_args()
    right: dict[str, bool] = {}
    with Caffe2Worker() as worker:
        for job in jobs(options.zoo, options.only, options.size, worker):
            found = measure(job, worker)
            family = job.name.partition(":")[0]
            right[family] = right.get(family, True) and found.right
            verdict = "equal" if found.right else "WRONG"
            print(f"{verdict} {job.name:42} opset {found.opset:2}  {found.error}"
                  f"  ({found.ours:.1f} s, Caffe2 {found.theirs:.1f} s)", flush=True)  # fmt: skip
    print(f"{sum(right.values())} of {len(right)} nets are converted and equal to the real Caffe2")
    sys.exit(not all(right.values()))


if __name__ == "__main__":
    main()
