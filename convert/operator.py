"""What a translator sees: one Caffe2 operator, its arguments, and the means to write ONNX nodes for it."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import NoReturn, TypeAlias

import numpy as np
from onnx.helper import tensor_dtype_to_np_dtype

from zoosmith.convert.errors import ConvertError
from zoosmith.convert.fill_operators import Tensor
from zoosmith.convert.graph import ELEMENT_TYPES, Attribute, Graph, Value
from zoosmith.convert.older_forms import BROADCASTS, Form, older_form
from zoosmith.convert.proto.caffe2_pb2 import Argument, NetDef, OperatorDef
from zoosmith.convert.value_names import ValueNames
from zoosmith.onnx_model.ports import Dimension

DeferredValue: TypeAlias = Callable[[], Value]
# gives the value of a blob when a net has run
ReadBlob: TypeAlias = Callable[[str], Value]
# translates a net into a graph, given the blobs that it finds
TranslateNet: TypeAlias = Callable[[NetDef, Mapping[str, Value], Graph], ReadBlob]

# equal constants up to this size are written once: axes, shapes, scalars
_SHARED_BYTES = 64
# of a constant; a net's own parameters lie in its files
_MOST_ELEMENTS = 1 << 24


class OpsetTooLow(Exception):
    """An operator needs a higher opset than the one tried."""

    def __init__(self, opset: int, operator: str, reason: str) -> None:
        self.opset, self.operator, self.reason = opset, operator, reason


class Operator:
    """A Caffe2 operator with the values it reads. A translator reads arguments and writes nodes:

    - `op.inputs` are the values of the input blobs, `op.opset` the target opset.
    - `op.integer("axis", 1)`, `op.number`, `op.text`, `op.flag`, `op.integers`, `op.numbers` read arguments as Caffe2
      does: the default where absent, an error where the argument holds another type.
    - `op.emit("Mul", x, y, axis=1)` writes a helper node and gives its value; with `to=0` the node writes output 0.
      `op.emit_many` is for nodes of several outputs. `op.bind(i, value)` makes output i another value, without a node;
      given a function instead, it is called when something reads the output, and never if nothing does.
    - `op.shape(x)`, `op.sizes(x)`, `op.rank(x)` and `op.constant_of(x)` ask what is known of a value, and refuse the
      operator where it is not.
    - `op.net("then_net")` reads an argument that is a net, and `op.translate_net` translates one into a graph.
    - `op.require(11, "...")` says that this needs opset 11, and why; `op.refuse("...")` that ONNX cannot express it.

    Nodes are written as opset 7 has them, or as `op.opset` where it is higher: `older_forms.py` knows those below.

    Every output that is read must be written or bound; one that is not is refused when it is read.
    """

    __slots__ = (
        "_arguments",
        "_names",
        "bound",
        "definition",
        "graph",
        "inputs",
        "needs",
        "opset",
        "output_names",
        "reason",
        "shares",
        "translate_net",
        "type",
    )

    def __init__(
        self,
        definition: OperatorDef,
        inputs: list[Value],
        outputs: list[str],
        graph: Graph,
        names: ValueNames,
        translate_net: TranslateNet,
    ):
        self.definition = definition
        self.type: str = definition.type
        self.inputs = inputs
        self.output_names = outputs
        self.opset = graph.opset
        self.graph = graph
        self.translate_net = translate_net
        self.bound: dict[int, Value | DeferredValue] = {}
        self.shares: dict[int, int] = {}
        self.needs = 0
        self.reason = ""
        self._names = names
        self._arguments: dict[str, Argument] = {argument.name: argument for argument in definition.arg[:]}

    # arguments

    def has(self, name: str) -> bool:
        """Tell whether the argument is given."""
        return name in self._arguments

    @property
    def arguments(self) -> list[str]:
        """Names of the arguments in their order."""
        return list(self._arguments)

    def integer(self, name: str, default: int = 0) -> int:
        """Read an integer argument."""
        argument = self._arguments.get(name)
        if argument is None:
            return default
        if not argument.HasField("i"):
            self._wrong_type(argument, "an integer")
        return argument.i

    def flag(self, name: str, default: bool = False) -> bool:
        """Read a boolean argument, which Caffe2 stores as an integer."""
        return self.integer(name, int(default)) != 0

    def number(self, name: str, default: float = 0.0) -> float:
        """Read a float argument."""
        argument = self._arguments.get(name)
        if argument is None:
            return default
        if not argument.HasField("f"):
            self._wrong_type(argument, "a float")
        return argument.f

    def text(self, name: str, default: str = "") -> str:
        """Read a string argument."""
        argument = self._arguments.get(name)
        if argument is None:
            return default
        if not argument.HasField("s"):
            self._wrong_type(argument, "a string")
        return argument.s.decode(errors="replace")

    def integers(self, name: str) -> list[int]:
        """Read a list of integers; empty where absent."""
        argument = self._arguments.get(name)
        return list(argument.ints) if argument is not None else []

    def numbers(self, name: str) -> list[float]:
        """Read a list of floats; empty where absent."""
        argument = self._arguments.get(name)
        return list(argument.floats) if argument is not None else []

    def net(self, name: str) -> NetDef:
        """Read an argument that is a net; one without operators where absent."""
        argument = self._arguments.get(name)
        if argument is None:
            return NetDef()
        if not argument.HasField("n"):
            self._wrong_type(argument, "a net")
        return argument.n

    def argument(self, name: str) -> Argument | None:
        """Give the argument itself, for the few whose type decides the meaning."""
        return self._arguments.get(name)

    @property
    def channels_last(self) -> bool:
        """Tell whether `order` is NHWC. Refuses an order that is neither NCHW nor NHWC."""
        order = self.text("order", "NCHW")
        if order not in {"NCHW", "NHWC"}:
            self.refuse(f"argument order={order!r}: expected NCHW or NHWC")
        return order == "NHWC"

    # what is known of a value

    def shape(self, value: Value) -> tuple[Dimension, ...]:
        """Sizes of a value, symbolic and unknown ones included; refuses the operator where the rank is unknown."""
        shape = value.shape
        if shape is None:
            self.refuse(f"the shape of {value.name!r} cannot be inferred, and the translation depends on it")
        return shape

    def rank(self, value: Value) -> int:
        """Count the dimensions of a value."""
        return len(self.shape(value))

    def expect_rank(self, value: Value, rank: int, what: str) -> None:
        """Refuse a value of another rank than this."""
        if self.rank(value) != rank:
            self.refuse(f"{what} {value.name!r} has {self.rank(value)} dimensions, expected {rank}")

    def expect_divisor(self, name: str, default: int, size: int) -> int:
        """Read an integer argument that divides a size, as groups divide channels; refuse one that does not."""
        divisor = self.integer(name, default)
        if divisor < 1 or size % divisor:
            self.refuse(f"argument {name}={divisor} does not divide {size} channels")
        return divisor

    def sizes(self, value: Value) -> tuple[int, ...]:
        """Sizes of a value; refuses the operator where one is symbolic or unknown."""
        return self.sizes_from(value, 0)

    def sizes_from(self, value: Value, axis: int) -> tuple[int, ...]:
        """Sizes of a value from this dimension on; refuses the operator where one of them is symbolic or unknown."""
        sizes = tuple(size for size in self.shape(value)[axis:] if isinstance(size, int))
        if len(sizes) != self.rank(value) - axis:
            self._not_static(value)
        return sizes

    def axis(self, value: Value, axis: int) -> int:
        """Count an axis from the front. Refuses one outside the rank."""
        rank = self.rank(value)
        if not -rank <= axis < rank:
            self.refuse(f"axis {axis} of {value.name!r}, which has {rank} dimensions")
        return axis % rank

    def constant_of(self, value: Value, what: str) -> np.ndarray:
        """Content of a constant; refuses the operator where the value is computed at run time."""
        if value.constant is None:
            self.refuse(f"{what} {value.name!r} is computed by the net, expected a parameter")
        return value.constant.array()

    def expect_shape(self, value: Value, expected: Sequence[Dimension], what: str) -> None:
        """Refuse a parameter of another shape than `expected`, in which None and symbolic sizes fit everything."""
        shape = self.shape(value)
        if shape == tuple(expected):
            return
        fits = len(shape) == len(expected) and all(
            a == b or not isinstance(a, int) or not isinstance(b, int) for a, b in zip(shape, expected, strict=True)
        )
        if not fits:
            self.refuse(f"{what} {value.name!r} has shape {_shown(shape)}, expected {_shown(expected)}")

    def constant_type(self, value: Value) -> np.dtype:
        """The numpy element type of a value; refuses the operator where it is unknown or no type of numbers."""
        if value.elem_type not in ELEMENT_TYPES.values():
            self.refuse(f"{value.name!r} holds no numbers of a known type")
        return tensor_dtype_to_np_dtype(value.elem_type)

    def along_axis(self, vector: Value, x: Value, axis: int, what: str) -> Value:
        """Append dimensions of size 1 to a vector so that it broadcasts with `x` along `axis`; refuse another size."""
        missing = self.rank(x) - axis - 1
        if missing < 0:
            self.refuse(f"{x.name!r} has {self.rank(x)} dimensions, no axis {axis} for {what}")
        self.expect_shape(vector, self.shape(x)[axis : axis + 1], what)
        if not missing:
            return vector
        if self.opset < 13:
            return self.emit("Unsqueeze", vector, axes=list(range(1, 1 + missing)))
        return self.emit("Unsqueeze", vector, self.int64s(*range(1, 1 + missing)))

    # writing nodes

    def emit(
        self,
        op_type: str,
        *inputs: Value | None,
        to: int | None = None,
        like: Value | None = None,
        shape: Sequence[Dimension] | None = None,
        attributes: Mapping[str, Attribute] | None = None,
        **more: Attribute,
    ) -> Value:
        """Write a node of one output: a helper, or with `to` the one that makes this output of the operator.

        Its attributes, in the order they are written, are those of the mapping, then the named ones. `like` is a value
        whose type and shape the result has, `shape` the shape of a result of the first input's type; where neither is
        given, ONNX infers both on demand. Give them where they cost nothing, or where inference would fail.
        """
        form = Form(op_type, inputs, {**attributes, **more} if attributes else more)
        if self.opset < BROADCASTS:
            form = older_form(self, form)
        name = self._names.helper() if to is None else self.output_name(to)
        (value,) = self.graph.node(form.op_type, form.inputs, [name], form.attributes, named=to is not None, like=like)
        if form.elem_type:
            value.set_type(form.elem_type, form.shape)
            if form.is_stated:
                value.describe_in(self.graph.proto.value_info)
        if shape is not None:
            value.set_type(self.inputs[0].elem_type, tuple(shape))
        if to is not None:
            self.bound[to] = value
        return value

    def emit_many(
        self, op_type: str, inputs: Sequence[Value | None], to: Sequence[int | None], **attributes: Attribute
    ) -> list[Value]:
        """Write a node of several outputs; `to` gives for each the operator's output, None for a helper value."""
        if self.opset < BROADCASTS:
            older_form(self, Form(op_type, inputs, attributes))
        names = [self._names.helper() if index is None else self.output_name(index) for index in to]
        values = self.graph.node(op_type, inputs, names, attributes, named=any(index is not None for index in to))
        for index, value in zip(to, values, strict=True):
            if index is not None:
                self.bound[index] = value
        return values

    def bind(self, index: int, value: Value | DeferredValue) -> None:
        """Make a value, or what a function gives when the output is first read, this output of the operator."""
        self.bound[index] = value

    def share(self, output: int, source: int) -> None:
        """Say that an output shares the memory of an input: later in-place operators on one change both."""
        self.shares[output] = source

    def has_output(self, index: int) -> bool:
        """Tell whether the operator names this output."""
        return index < len(self.output_names)

    def constant(self, content: np.ndarray) -> Value:
        """Make a constant; equal small ones are one."""
        tensor = Tensor.of(np.asarray(content))
        # narrow integers may be given a scale, each its own
        if tensor.nbytes > _SHARED_BYTES or tensor.dtype not in {np.dtype("<i8"), np.dtype("<f4")}:
            return self.constant_tensor(tensor)
        value = self.graph.shared.get(tensor)
        if value is None:
            value = self.graph.shared[tensor] = self.constant_tensor(tensor)
        return value

    def constant_tensor(self, tensor: Tensor) -> Value:
        """Make a constant of its own, of content that is bytes already."""
        return self.graph.constant(self._names.helper(), tensor)

    def int64s(self, *content: int) -> Value:
        """Make a constant list of int64, the form of shapes and axes in ONNX."""
        return self.constant(np.array(content, np.int64))

    def inside(self, body: Graph) -> "Operator":
        """Give the operator once more, to write helper nodes into a body of its graph."""
        return Operator(self.definition, self.inputs, [], body, self._names, self.translate_net)

    def reserve_name(self) -> str:
        """Reserve a name for a value inside of a subgraph."""
        return self._names.helper()

    # limits

    def require(self, opset: int, reason: str) -> None:
        """Say that the operator needs this opset; the translation starts again with it where it is higher.

        Args:
            opset: the lowest that can express it.
            reason: why, in words that follow "since" or stand alone, for a message.
        """
        if opset > self.needs:
            self.needs, self.reason = opset, reason
        if self.opset < opset:
            raise OpsetTooLow(opset, self.type, reason)

    def output_name(self, index: int) -> str:
        """Name the value of an output; an operator that lacks it is refused."""
        if not -len(self.output_names) <= index < len(self.output_names):
            self.refuse(f"it has {len(self.output_names)} outputs, expected {index + 1} at least")
        return self.output_names[index]

    def refuse(self, reason: str) -> NoReturn:
        """Refuse the operator: ConvertError with its type, its first output and the reason."""
        raise ConvertError(f"{self.label}: {reason}")

    def limited(self, *shape: int) -> tuple[int, ...]:
        """The shape of a constant that a number in the net decides, which may be any; refuses one that is too large."""
        if prod(shape) > _MOST_ELEMENTS:
            limit = f"at most {_MOST_ELEMENTS:,} elements are made"
            self.refuse(f"it would take a constant of shape {list(shape)}; {limit}")
        return shape

    @property
    def label(self) -> str:
        """Name the operator for a message."""
        made = ", ".join(repr(blob) for blob in self.definition.output[:1]) or "nothing"
        return f"{self.type} that makes {made}"

    def _not_static(self, value: Value) -> NoReturn:
        self.refuse(f"{value.name!r} has shape {_shown(self.shape(value))}, and its sizes are needed as numbers")

    def _wrong_type(self, argument: Argument, expected: str) -> NoReturn:
        found = ", ".join(part.name for part, _ in argument.ListFields() if part.name != "name") or "nothing"
        self.refuse(f"argument {argument.name!r} holds {found}, expected {expected}")


def _shown(shape: Sequence[Dimension]) -> str:
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


def element_count(sizes: Sequence[int]) -> int:
    """Count the elements of a shape."""
    return prod(sizes)
