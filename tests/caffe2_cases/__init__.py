"""Cases of every Caffe2 operator that we know, one small net each. Tests of `convert` and of the interpreter run them.

`tests/convert/test_every_operator.py` translates each case, runs it in ONNX Runtime and compares with the interpreter;
`tests/validation` runs the interpreter's kernels. Both compare with the real Caffe2 where it is installed, and both
fail where an operator is registered without a case here.

To add an operator, add a line to `CASES` of the module of its family:

    case("Clip", DATA.floats(3, 4), min=0.2, max=0.4)

`case` takes the operator's type, its input arrays in order, and Caffe2's arguments by name. Its own options are

- `outputs=2`: the operator has two outputs (default 1), `o0` and `o1`;
- `parameters=1`: the last input comes from an init net, since the translation needs its content (default 0);
- `real=False`: the real Caffe2 does not have this operator on the CPU.

A case of several operators (an int8 operator between a quantization and a dequantization) is an `OperatorCase` of its
own net: see `int8.py`. Arrays are seeded for each module; the opset of a translation is the lowest that has a form.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from tests.caffe2_cases.case import OperatorCase


@cache
def operator_cases() -> tuple[OperatorCase, ...]:
    """All cases, in the order of the modules' names and of their tables."""
    found: list[OperatorCase] = []
    for module in sorted(info.name for info in iter_modules(__path__)):
        found += getattr(import_module(f"{__name__}.{module}"), "CASES", [])
    return tuple(found)
