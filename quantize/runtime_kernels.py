"""From which release of ONNX Runtime on there are kernels of what an integer model may hold."""

from zoosmith.validation.runtimes.targets import Target as Runtime
from zoosmith.validation.runtimes.versions import order

ONNX_RUNTIME = "onnxruntime"

INTEGER_FORM = "operators of integers"
QDQ_FORM = "the QDQ form"
UINT8_MAX = "Max of uint8"

# measured: benchmarks/measure_kernels.py
FIRST_RELEASES = {
    INTEGER_FORM: "1.6",
    QDQ_FORM: "1.7",
    UINT8_MAX: "1.24",
    # of com.microsoft
    "MatMulIntegerToFloat": "1.8",
    "Gelu": "1.8",
    "DynamicQuantizeLSTM": "1.16",
}
"""Kernel, or form of a file -> the first release that has it and gives the same values as the newest one."""


def has_kernel(runtime: Runtime, kernel: str) -> bool:
    """Whether a runtime is a release of ONNX Runtime that has a kernel of FIRST_RELEASES."""
    return runtime.name == ONNX_RUNTIME and has_release(runtime.version, kernel)


def has_release(version: str, kernel: str) -> bool:
    """Whether this release of ONNX Runtime has a kernel of FIRST_RELEASES."""
    return order(version) >= order(FIRST_RELEASES[kernel])
