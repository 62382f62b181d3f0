"""Measure the rows of `validation/runtimes/targets.tsv` again, in every ONNX Runtime that is installed.

python benchmarks/measure_targets.py [RUNTIME ...]

For each it prints the highest opset of ai.onnx and of ai.onnx.ml and the highest IR version of which a model with one
node loads, and what the table says. `zoosmith runtime install` installs them.
"""

import argparse
from collections.abc import Callable

from onnx import TensorProto, helper

from zoosmith.validation import ValidationError
from zoosmith.validation.runtimes import find_environment, runtime_for, supported, target_for
from zoosmith.validation.runtimes.process import WorkerProcess
from zoosmith.validation.runtimes.runner import ForeignRunner, start

BEYOND = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("runtimes", nargs="*", metavar="RUNTIME", help="by default every one that is installed")
    chosen = [runtime_for(text) for text in parser.parse_args().runtimes]
    every = [known for known in supported() if known.name == "onnxruntime" and find_environment(known)]
    print(f"{'':24}{'opset':>12}{'ai.onnx.ml':>12}{'IR':>12}   measured, then the table's")
    for runtime in chosen or every:
        target = target_for(str(runtime))
        with start(runtime) as process:
            opset = highest(process, lambda version: model(opset=version))
            ml = highest(process, lambda version: model(opset=7, ml=version))
            ir = highest(process, lambda version: model(opset=7, ir=version))
        cells = [f"{opset} {target.opset}", f"{ml} {target.ml or '-'}", f"{ir} {target.ir or '-'}"]
        print(f"{runtime!s:24}" + "".join(f"{cell:>12}" for cell in cells), flush=True)


def model(*, opset: int, ml: int | None = None, ir: int = 3) -> bytes:
    """A model with one node, of ai.onnx.ml where its opset is given."""
    x, y = (helper.make_tensor_value_info(port, TensorProto.FLOAT, [1, 2]) for port in "xy")
    node = helper.make_node("Relu", ["x"], ["y"])
    opsets = [helper.make_opsetid("", opset)]
    if ml is not None:
        node = helper.make_node("Normalizer", ["x"], ["y"], domain="ai.onnx.ml", norm="MAX")
        opsets.append(helper.make_opsetid("ai.onnx.ml", ml))
    made = helper.make_model(helper.make_graph([node], "g", [x], [y]), ir_version=ir, opset_imports=opsets)
    content: bytes = made.SerializeToString()
    return content


def highest(process: WorkerProcess, make: Callable[[int], bytes]) -> str:
    """The highest version of which the model loads; a bound where none is refused."""
    found = 0
    for version in range(1, BEYOND):
        try:
            ForeignRunner(process.name, make(version), process=process).close()
            found = version
        except ValidationError:
            if found:
                return str(found)
    return f">={found}"


if __name__ == "__main__":
    main()
