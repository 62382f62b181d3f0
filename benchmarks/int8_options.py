"""What the forms and options of quantize cost on real nets: the cosine with the float outputs, in one run.

python benchmarks/int8_options.py [MODEL.onnx | NAME ...]

By default six nets, of int8_nets.py and ../shared/models. Each is quantized in the integer form, in the QDQ form (a
scale for each tensor at opset 12, for each output channel at 13) with its options, and in half precision. Every file is
loaded in ONNX Runtime, run on other samples than it was calibrated on, and must keep the types of inputs and outputs.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import onnx
from int8_nets import NETS
from int8_real_models import MODELS, cosine_of, samples_of, session

from zoosmith.onnx_model.errors import first_line
from zoosmith.onnx_model.ports import input_ports, output_ports
from zoosmith.opset_upgrade import convert_version
from zoosmith.quantize import quantize
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.half_precision import to_half
from zoosmith.quantize.target import Target

TARGETS = {
    "integer": Target(),
    "qdq": Target("qdq"),
    "symmetric": Target("qdq", symmetric=True),
    "int8 activations": Target("qdq", signed=True),
    "both": Target("qdq", symmetric=True, signed=True),
    "reduce range": Target("qdq", reduce_range=True),
}
SHARED = [str(MODELS / f"{name}.onnx") for name in ("unet_ts17", "segformer_ts17", "yolonms_ts17", "vit_dyn18")]
Maker = Callable[[onnx.ModelProto, Samples, Path], onnx.ModelProto]


def makers() -> dict[str, tuple[int, Maker]]:
    """Name of a form -> the opset it is made at, and what makes it; ranges are measured once for all."""
    found: dict[str, tuple[int, Maker]] = {}
    for name, target in TARGETS.items():
        for opset in (12, 13) if name in ("integer", "qdq") else (13,):
            found[f"{name} {opset}"] = (
                opset,
                lambda model, samples, cache, target=target: quantize(model, samples, target=target, cache=cache),
            )
    for kind in ("float16", "bfloat16"):
        found[kind] = (13, lambda model, samples, cache, kind=kind: to_half(model, samples, kind).model)
    return found


def ports(model: onnx.ModelProto) -> list[tuple[str, int]]:
    return [(port.name, port.elem_type) for port in (*input_ports(model.graph), *output_ports(model.graph))]


def measured(name: str, original: onnx.ModelProto, folder: Path) -> list[str]:
    cells = []
    samples = samples_of(name, convert_version(original, 13), 20)
    for opset, make in makers().values():
        try:
            model = convert_version(original, opset)
            result = make(model, samples[:12], folder)
            onnx.save(model, folder / "float.onnx")
            onnx.save(result, folder / "made.onnx")
            same = cosine_of(session(folder / "float.onnx"), session(folder / "made.onnx"), samples[12:])
            cells.append(f"{same:.4f}" if ports(result) == ports(model) else "other types")
        except Exception as error:  # whatever the converter, the quantizer and ONNX Runtime raise
            cells.append(f"{type(error).__name__}: {first_line(error)}"[:60])
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=["resnet18", "mobilenet_v3", *SHARED])
    arguments = parser.parse_args()
    print(" | ".join(["net", *makers()]))
    for source in arguments.models:
        model = NETS[source]() if source in NETS else onnx.load(source)
        with tempfile.TemporaryDirectory() as folder:
            print(" | ".join([Path(source).stem, *measured(Path(source).stem, model, Path(folder))]), flush=True)


if __name__ == "__main__":
    main()
