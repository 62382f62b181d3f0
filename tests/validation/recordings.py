"""What the real Caffe2 computed, kept in files, so that tests can compare with it where Caffe2 is not installed.

`int8` and `detection` are random nets of these families; `operators` are the cases of `tests/caffe2_cases`.
`python -m tests.validation.recordings` makes the files anew, where Caffe2 is installed.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from tests.caffe2_cases import operator_cases
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
    parameters: NetDef

    def __str__(self) -> str:
        return self.name


def recordings(name: str) -> list[Recording]:
    """The recorded cases of `int8`, `detection` or `operators`."""
    with np.load(_FOLDER / f"{name}.npz") as file:
        arrays = dict(file)
    found = []
    for key in dict.fromkeys(name.split("/")[0] for name in arrays):
        net = NetDef.FromString(arrays[f"{key}/net"].tobytes())
        inputs, outputs = (
            {blob: arrays[f"{key}/{way}/{blob}"] for blob in blobs if f"{key}/{way}/{blob}" in arrays}
            for way, blobs in (("in", net.external_input), ("out", net.external_output))
        )
        init = NetDef.FromString(arrays[f"{key}/init"].tobytes()) if f"{key}/init" in arrays else NetDef()
        about = f"{key}-{net.op[-1 if len(net.op) == 1 else -2].type}"
        found.append(Recording(about, net, inputs, outputs or None, init))
    return found


def random_case(kind: Callable[[Generator], Case], seed: int) -> Case:
    """The case of a kind that a seed stands for."""
    return kind(np.random.default_rng(seed))


def run_caffe2(
    net: NetDef, inputs: Mapping[str, np.ndarray], worker: Caffe2Worker, parameters: NetDef | None = None
) -> dict[str, np.ndarray] | None:
    """Caffe2's outputs; None where it refuses the net."""
    runner = None
    try:
        runner = Caffe2Runner(net, parameters, worker=worker)
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
            arrays |= _arrays(f"{kind}{seed}", net, inputs, run_caffe2(net, inputs, worker) or {})
    _save(name, arrays)


def _record_operators(worker: Caffe2Worker) -> None:
    arrays: dict[str, np.ndarray] = {}
    for number, case in enumerate(case for case in operator_cases() if case.real):
        outputs = run_caffe2(case.net, case.inputs, worker, case.parameters)
        if outputs is None:
            raise SystemExit(f"{case}: Caffe2 refuses it")
        arrays |= _arrays(f"{number}", case.net, case.inputs, outputs)
        arrays[f"{number}/init"] = _bytes_of(case.parameters)
    _save("operators", arrays)


def _arrays(
    key: str, net: NetDef, inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    return (
        {f"{key}/net": _bytes_of(net)}
        | {f"{key}/in/{blob}": value for blob, value in inputs.items()}
        | {f"{key}/out/{blob}": value for blob, value in outputs.items()}
    )


def _bytes_of(net: NetDef) -> np.ndarray:
    return np.frombuffer(net.SerializeToString(), np.uint8)


def _save(name: str, arrays: Mapping[str, np.ndarray]) -> None:
    np.savez_compressed(_FOLDER / f"{name}.npz", **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    with Caffe2Worker() as worker:
        for name, kinds in _SETS.items():
            _record(name, kinds, worker)
        _record_operators(worker)
