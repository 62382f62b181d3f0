"""What the real Caffe2 computed for random nets, kept in files, so that tests can hold to it without Caffe2.

`python -m tests.validation.recordings` makes the files anew, where Caffe2 is installed.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from tests.validation import detection_nets, int8_nets
from tests.validation.int8_nets import Case
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.validation import Caffe2Runner, Caffe2Worker, ValidationError

_FOLDER = Path(__file__).parent / "recorded"
_SETS = {"int8": int8_nets.KINDS, "detection": detection_nets.KINDS}
_CASES_OF_A_KIND = 14


class Recording(NamedTuple):
    """A net, its inputs, and Caffe2's outputs, or None where it refused."""

    name: str
    net: NetDef
    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray] | None

    def __str__(self) -> str:
        return self.name


def recordings(name: str) -> list[Recording]:
    """The recorded cases of `int8` or `detection`."""
    with np.load(_FOLDER / f"{name}.npz") as file:
        arrays = dict(file)
    found = []
    for key in dict.fromkeys(name.split("/")[0] for name in arrays):
        net = NetDef.FromString(arrays[f"{key}/net"].tobytes())
        inputs, outputs = (
            {blob: arrays[f"{key}/{way}/{blob}"] for blob in blobs if f"{key}/{way}/{blob}" in arrays}
            for way, blobs in (("in", net.external_input), ("out", net.external_output))
        )
        found.append(Recording(f"{key}-{net.op[-1 if len(net.op) == 1 else -2].type}", net, inputs, outputs or None))
    return found


def random_case(kind: Callable[[Generator], Case], seed: int) -> Case:
    """The case of a kind that a seed stands for."""
    return kind(np.random.default_rng(seed))


def run_caffe2(net: NetDef, inputs: Mapping[str, np.ndarray], worker: Caffe2Worker) -> dict[str, np.ndarray] | None:
    """Caffe2's outputs; None where it refuses the net."""
    runner = None
    try:
        runner = Caffe2Runner(net, worker=worker)
        return runner.run(inputs)
    except ValidationError:
        return None
    finally:
        if runner is not None:
            runner.close()


def _record(name: str, kinds: Mapping[str, Callable[[Generator], Case]], worker: Caffe2Worker) -> None:
    arrays: dict[str, np.ndarray] = {}
    for kind, make in kinds.items():
        for seed in range(_CASES_OF_A_KIND):
            net, inputs = random_case(make, seed)
            outputs = run_caffe2(net, inputs, worker) or {}
            key = f"{kind}{seed}"
            arrays[f"{key}/net"] = np.frombuffer(net.SerializeToString(), np.uint8)
            arrays |= {f"{key}/in/{blob}": value for blob, value in inputs.items()}
            arrays |= {f"{key}/out/{blob}": value for blob, value in outputs.items()}
    np.savez_compressed(_FOLDER / f"{name}.npz", **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    with Caffe2Worker() as worker:
        for name, kinds in _SETS.items():
            _record(name, kinds, worker)
