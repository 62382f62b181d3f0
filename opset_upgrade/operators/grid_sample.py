"""AffineGrid; GridSample in arithmetic on the grid and one gathering of pixels for each tap."""

from collections.abc import Sequence
from itertools import product

from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.building_blocks.axes import AXES_AS_INPUTS
from zoosmith.opset_upgrade.building_blocks.computed_sizes import Size, as_vector, counted, sizes, times, total
from zoosmith.opset_upgrade.building_blocks.flat_indices import flat_strides
from zoosmith.opset_upgrade.building_blocks.function_bodies import inline_body
from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_single
from zoosmith.opset_upgrade.node_editing import get_attribute, set_attribute
from zoosmith.opset_upgrade.registry import adapter, decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer

_NAMES_BEFORE_20 = {"linear": "bilinear", "cubic": "bicubic"}


_CUBIC = -0.75  # the coefficient of the operator's text


Tap = tuple[str, str, str | None]
"""Of one axis: index (an integer as float), weight (empty for 1), whether it lies inside (None: it always does)."""


type_fallback("GridSample")(cast_to_single)


@decomposition("AffineGrid")
def _affine_grid(node: NodeProto, g: Writer) -> None:
    """The body of the schema; with corners that are aligned it divides by 0 for a size of 1, where kernels do not."""
    if g.attribute("align_corners"):
        size = g.value(node.input[1])
        if size is not None and 1 in size.tolist()[2:]:
            g.refuse(f"align_corners=1 with the size {size.tolist()}: its text gives no place for one element")
        if size is None:
            g.admit("approximate", "align_corners=1 with sizes that are computed, none of which may be 1")
    inline_body(node, g)


@decomposition("GridSample")
def _grid_sample(node: NodeProto, g: Writer) -> None:
    data, grid = node.input
    batch, channels, *image = sizes(g, data)
    last = g.rank(data) - 1
    mode, padding = g.attribute("mode").removeprefix("bi"), g.attribute("padding_mode")
    _refuse_what_arithmetic_lacks(g, data, image)
    # ONNX Runtime and torch take what is no number for the lower border
    is_number = g.op("Or", g.op("Greater", grid, g.scalar_like(grid, 0)), g.op("Less", grid, g.scalar_like(grid, 1)))
    grid = g.op("Where", is_number, grid, g.scalar_like(grid, -1))
    taps = []
    for axis, size in enumerate(image):
        # the last axis of the grid counts the axes of the image from the last
        where = g.op("Gather", grid, g.constant(len(image) - 1 - axis), axis=last)
        taps.append(_Axis(g, where, size, padding, bool(g.attribute("align_corners"))).taps(mode))
    pixels = g.op("Transpose", data, perm=[0, *range(2, last + 1), 1])
    count = total(g, [batch, *image])
    pixels = g.op("Reshape", pixels, as_vector(g, [count, channels]))
    nothing = g.op("Expand", g.scalar_like(data, 0), as_vector(g, [1, channels]))
    pixels = g.op("Concat", pixels, nothing, axis=0)
    first = times(g, counted(g, batch, len(image)), total(g, image))
    strides = flat_strides(g, image)
    result = ""
    for combination in product(*taps):
        index = first
        for (place, _, _), stride in zip(combination, strides, strict=True):
            index = g.op("Add", index, times(g, g.op("Cast", place, to=TensorProto.INT64), stride))
        inside = [tap[2] for tap in combination if tap[2] is not None]
        if inside:
            index = _or_nothing(g, index, inside, count)
        term = g.op("Gather", pixels, index, axis=0)
        for weight in (tap[1] for tap in combination if tap[1]):
            factor = g.op("Cast", weight, to=g.element_type(data))
            factor = g.op("Unsqueeze", factor, g.constant([last]), opset=AXES_AS_INPUTS)
            term = g.op("Mul", term, factor)
        result = g.op("Add", result, term) if result else term
    g.op("Transpose", result, perm=[0, last, *range(1, last)], output=node.output[0])


@adapter("GridSample", source=16, target=20)
def _linear_not_bilinear(node: NodeProto, g: Writer) -> None:
    mode = get_attribute(node, "mode", b"bilinear")
    set_attribute(node, "mode", {b"bilinear": "linear", b"bicubic": "cubic"}.get(mode, mode))


@adapter("GridSample", source=20, target=16)
def _grid_sample_20_to_16(node: NodeProto, g: Writer) -> None:
    if g.rank(node.input[0]) != 4:
        _grid_sample(node, g)
    else:
        mode = g.attribute("mode")
        set_attribute(node, "mode", _NAMES_BEFORE_20.get(mode, mode))


def _refuse_what_arithmetic_lacks(g: Writer, data: str, image: Sequence[Size]) -> None:
    floats = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
    if g.attribute("mode") != "nearest" and g.element_type(data) not in floats:
        g.refuse(f"{g.type_string(data)} is not interpolated there")
    if g.attribute("align_corners") and g.attribute("padding_mode") == "reflection" and 1 in image:
        g.refuse("a reflection between borders that coincide is not defined")


def _or_nothing(g: Writer, index: str, inside: list[str], nothing: Size) -> str:
    """The index where all conditions hold, else that of the row of zeros."""
    valid = inside[0]
    for other in inside[1:]:
        valid = g.op("And", valid, other)
    factor = g.op("Cast", valid, to=TensorProto.INT64)
    # (index - nothing) * factor + nothing
    row = as_vector(g, [nothing])
    return g.op("Add", g.op("Mul", g.op("Sub", index, row), factor), row)


class _Axis:
    """Positions along one axis of the image, from a normalized coordinate."""

    def __init__(self, g: Writer, where: str, size: Size, padding: str, align: bool) -> None:
        self.g, self.padding = g, padding
        self.like = where
        whole = g.scalar_like(where, size) if isinstance(size, int) else g.op("Cast", size, to=g.element_type(where))
        self.last = self._number(size, whole, -1)
        low, beyond = (0.0, -1.0) if align else (-0.5, -0.5)
        self.low, self.high = low, self._number(size, whole, beyond)
        self.span = self._number(size, whole, beyond - low)
        self.beyond = self._number(size, whole, -0.5)
        shifted = self._with("Add", where, 1)
        if align:
            self.position = g.op("Mul", self._with("Mul", shifted, 0.5), self.last)
        else:
            self.position = self._with("Mul", self._with("Sub", g.op("Mul", shifted, whole), 1), 0.5)

    def _number(self, size: Size, whole: str, more: float) -> str:
        """The size of the axis plus a number."""
        return self.g.scalar_like(self.like, size + more) if isinstance(size, int) else self._with("Add", whole, more)

    def taps(self, mode: str) -> list[Tap]:
        """The taps of the interpolation: 1, 2 or 4."""
        g = self.g
        if mode == "nearest":
            return [self._tap(self._bring_in(g.op("Round", self.position, opset=11)), "")]
        # the four taps of a cubic are clamped one by one, as ONNX Runtime and torch do, not the place between them
        position = self.position if (mode, self.padding) == ("cubic", "border") else self._bring_in(self.position)
        floor = g.op("Floor", position)
        part = g.op("Sub", position, floor)
        if mode == "linear":
            rest = g.op("Sub", g.scalar_like(part, 1), part)
            return [self._tap(floor, rest), self._tap(self._with("Add", floor, 1), part)]
        rest = g.op("Sub", g.scalar_like(part, 1), part)
        weights = [
            self._far(self._with("Add", part, 1)),
            self._near(part),
            self._near(rest),
            self._far(self._with("Add", rest, 1)),
        ]
        return [self._tap(self._with("Add", floor, k - 1), weight) for k, weight in enumerate(weights)]

    def _bring_in(self, position: str) -> str:
        """The position by which padding replaces one beyond the border."""
        if self.padding == "border":
            low = self.g.scalar_like(self.like, self.low)
            outside = self.g.op("Or", self.g.op("Less", position, low), self.g.op("Greater", position, self.high))
            return self.g.op("Where", outside, self._clamp(position), position)
        return self._reflect(position) if self.padding == "reflection" else position

    def _tap(self, place: str, weight: str) -> Tap:
        g = self.g
        if self.padding == "reflection":
            return self._clamp(self._reflect(place)), weight, None
        if self.padding == "border":
            return self._clamp(place), weight, None
        # asked so, a place that is no number lies outside
        inside = g.op("And", g.op("Greater", place, g.scalar_like(self.like, -0.5)), g.op("Less", place, self.beyond))
        return self._clamp(place), weight, inside

    def _clamp(self, place: str) -> str:
        lifted = self.g.op("Max", place, self.g.scalar_like(self.like, 0))
        return self.g.op("Min", lifted, self.last)

    def _reflect(self, place: str) -> str:
        # there and back between the borders: a wave of triangles
        g = self.g
        along, wave = self._with("Sub", place, self.low), self._with("Mul", self.span, 2)
        turns = g.op("Floor", g.op("Div", along, wave))
        along = g.op("Sub", along, g.op("Mul", turns, wave))
        away = g.op("Abs", g.op("Sub", along, self.span))
        return g.op("Sub", self._with("Add", self.span, self.low), away)

    def _near(self, x: str) -> str:
        # ((a + 2) x - (a + 3)) x² + 1
        square = self.g.op("Mul", x, x)
        slope = self._with("Sub", self._with("Mul", x, _CUBIC + 2), _CUBIC + 3)
        return self._with("Add", self.g.op("Mul", slope, square), 1)

    def _far(self, x: str) -> str:
        # ((a x - 5 a) x + 8 a) x - 4 a
        first = self._with("Sub", self._with("Mul", x, _CUBIC), 5 * _CUBIC)
        second = self._with("Add", self.g.op("Mul", first, x), 8 * _CUBIC)
        return self._with("Sub", self.g.op("Mul", second, x), 4 * _CUBIC)

    def _with(self, operator: str, value: str, number: float) -> str:
        return self.g.op(operator, value, self.g.scalar_like(self.like, number))
