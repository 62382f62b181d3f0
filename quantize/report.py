"""What quantization made of a model, in figures."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx

from zoosmith.onnx_model.counting import counted
from zoosmith.onnx_model.mapped import size_in_bytes
from zoosmith.onnx_model.traversal import all_nodes, all_tensors
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.output_errors import holds_numbers, output_error
from zoosmith.quantize.plan.expected_speed import slow_plan, slow_reason
from zoosmith.quantize.plan.planned_time import PlannedTime
from zoosmith.quantize.selection import before_selection
from zoosmith.quantize.similarity import cosine, run
from zoosmith.quantize.target import INTEGER, Target
from zoosmith.quantize.writing.contrib_operators import CONTRIB_INTEGERS

FLOAT_CONVERSIONS = ("QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True)
class Summary:
    """`error` is the outputs' mean absolute error on samples, over the float outputs' standard deviation.

    Outputs that hold no numbers (text, sequences, maps) are left out.

    `convolutions` counts QLinearConv, `products` MatMulInteger and what multiplies integers in com.microsoft, `encoded`
    what stands in their place in the QDQ form: operators that read encoded weights. `float_conversions` counts
    QuantizeLinear and DequantizeLinear. `slow` says why no speed-up is to be expected; None where there is one.
    `cosine` is the smallest one between a float output and its counterpart on the same samples; None where none can be
    compared.
    """

    bytes: int
    bytes_before: int
    convolutions: int
    float_conversions: int
    error: float
    products: int = 0
    slow: str | None = None
    cosine: float | None = None
    encoded: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        products = f"{counted(self.products, 'integer product')}, " if self.products else ""
        if self.encoded:
            counts = f"{counted(self.encoded, 'layer')} between QuantizeLinear and DequantizeLinear"
        else:
            conversions = f"{counted(self.float_conversions, 'conversion')} between float and integers"
            counts = f"{counted(self.convolutions, 'integer convolution')}, {products}{conversions}"
        alike = "" if self.cosine is None else f", cosine {self.cosine:.4f}"
        error = f"error {self.error:.4f} standard deviations"
        return f"{self.bytes:,} bytes of {self.bytes_before:,}, {counts}, {error}{alike}"


def summarize(
    original: onnx.ModelProto,
    quantized: onnx.ModelProto,
    samples: Samples,
    target: Target = INTEGER,
    time: PlannedTime | None = None,
) -> Summary:
    """Count and measure.

    Args:
        original: the float model.
        quantized: the integer one.
        samples: inputs by name, to compare the outputs on.
        target: the form of the integer model.
        time: what its plan takes, where it has one.

    Raises:
        ValidationError: a model cannot be run.
    """
    errors, exact = [np.zeros(0)], [np.zeros(0)]
    before, after = run(original, samples), run(quantized, samples)
    for wanted, found in zip(before, after, strict=True):
        for name, value in wanted.items():
            if not holds_numbers(value):
                continue
            values, error = output_error(value, found[name])
            exact.append(values)
            errors.append(np.abs(error))
    values, error = np.concatenate(exact), np.concatenate(errors)
    # as for the cosine: what is NaN or infinite in the original says nothing
    values, error = values[finite := np.isfinite(values)], error[finite]
    spread = float(np.std(values)) or 1.0 if values.size else 1.0
    if (compared := before_selection(original)) is not original:
        before, after = run(compared, samples), run(before_selection(quantized), samples)
    counts = Counter(node.op_type for node in all_nodes(quantized))
    return Summary(
        size_in_bytes(quantized),
        size_in_bytes(original),
        counts["QLinearConv"],
        sum(counts[name] for name in FLOAT_CONVERSIONS),
        float(np.mean(error)) / spread if error.size else 0.0,
        sum(counts[name] for name in ("MatMulInteger", *CONTRIB_INTEGERS)),
        slow_reason(quantized) if time is None or target.whole else slow_plan(time),
        _rounded(cosine(before, after)),
        _encoded(quantized) if target.format == "qdq" else 0,
    )


def _encoded(model: onnx.ModelProto) -> int:
    """How many operators with weights read these through a DequantizeLinear."""
    constants, nodes = {tensor.name for tensor in all_tensors(model)}, list(all_nodes(model))
    weights = {node.output[0] for node in nodes if node.op_type == "DequantizeLinear" and node.input[0] in constants}
    return sum(len(node.input) > 1 and node.input[1] in weights for node in nodes)


def _rounded(value: float | None) -> float | None:
    # more digits differ from machine to machine
    return None if value is None else round(value, 6)
