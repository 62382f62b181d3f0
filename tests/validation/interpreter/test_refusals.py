"""What the operators of the interpreter refuse: arguments and shapes without a meaning in Caffe2, one line for each."""

import numpy as np
import pytest

from tests.validation.caffe2_nets import net_of, single
from zoosmith.validation import ValidationError, interpret
from zoosmith.validation.interpreter.registry import KERNELS, Kernel


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def whole(*values: int) -> np.ndarray:
    return np.int32(values)


# Operator, arguments, inputs, and words of the refusal.
REFUSALS = [
    ("Add", {"broadcast": 1, "axis": 1}, [ones(2, 3), ones(2, 3)], "does not fit the first"),
    ("Add", {"broadcast": 1, "axis_str": "X"}, [ones(1, 2, 1, 2), ones(2)], "one letter of the order"),
    ("Pow", {}, [ones(2, 3), ones(3)], "differ in shape without broadcast"),
    ("Where", {}, [np.array([True]), ones(2), ones(2)], "condition .* differ in shape"),
    ("Where", {}, [np.array([True, False]), ones(2), ones(3)], "its choices"),
    ("Sum", {}, [ones(2), ones(3)], "one shape and one type"),
    ("Sum", {}, [ones(2), whole(1, 2)], "one shape and one type"),
    ("WeightedSum", {}, [ones(2), ones(2)], "each followed by one weight"),
    ("WeightedSum", {}, [ones(2), ones(1), ones(2)], "each followed by one weight"),
    ("Conv", {"kernel": 1}, [ones(1, 1, 2, 2), ones(1, 1, 1)], "must have the same"),
    ("Conv", {"kernel": 2}, [ones(1, 1, 2, 2), ones(1, 1, 1, 1)], "does not fit the weights"),
    ("Conv", {"kernel": 1}, [ones(1, 1, 2, 2), ones(2, 1, 1, 1), ones(3)], "does not fit 2 output channels"),
    ("ConvTranspose", {"kernel": 1}, [ones(1, 1, 2, 2), ones(1, 1, 1)], "must have the same"),
    ("ConvTranspose", {"kernel": 1}, [ones(1, 2, 2, 2), ones(1, 1, 1, 1)], "do not fit the image"),
    ("ConvTranspose", {"kernel": 2}, [ones(1, 1, 2, 2), ones(1, 1, 1, 1)], "does not fit the weights"),
    ("ConvTranspose", {"kernel": 1, "adj": 1}, [ones(1, 1, 2, 2), ones(1, 1, 1, 1)], "smaller than stride"),
    ("ConvTranspose", {"kernel": 1, "legacy_pad": 3}, [ones(1, 1, 2, 2), ones(1, 1, 1, 1)], "not supported with pads"),
    ("ConvTranspose", {"kernel": 1, "pad": 1}, [ones(1, 1, 2, 2), ones(1, 1, 1, 1)], "leave nothing"),
    ("MaxPool", {"kernels": [2]}, [ones(1, 1, 4, 4)], "1 values for 2 spatial"),
    ("MaxPool", {"kernel": 2, "pads": [1, 1]}, [ones(1, 1, 4, 4)], "has 2 pads"),
    ("MaxPool", {"global_pooling": 1, "stride": 2}, [ones(1, 1, 4, 4)], "global_pooling allows no pad"),
    ("MaxPool", {"kernel": 2, "legacy_pad": 4}, [ones(1, 1, 4, 4)], "legacy_pad 4 is unknown"),
    ("MaxPool", {"kernel": 2, "legacy_pad": 2, "pad": 1}, [ones(1, 1, 4, 4)], "allows no explicit pads"),
    ("Conv", {"kernel": 2, "legacy_pad": 2, "dilation": 2}, [ones(1, 1, 4, 4), ones(1, 1, 2, 2)], "allows no dilation"),
    ("MaxPool", {"kernel": 2}, [ones(4, 4)], "at least 3 dimensions"),
    ("LpPool", {"kernels": [2]}, [ones(1, 1, 4)], "is no image"),
    ("GenerateProposals", {}, [ones(1, 2, 3, 3), ones(1, 4, 3, 3), ones(1, 3), ones(2, 4)], "do not fit"),
    ("GenerateProposals", {}, [ones(1, 2, 3, 3), ones(1, 8, 3, 3), ones(2, 3), ones(2, 4)], "image info"),
    ("BBoxTransform", {}, [ones(3, 3), ones(3, 4), ones(1, 3)], "do not fit boxes"),
    ("BBoxTransform", {}, [ones(3, 4), ones(3, 4), ones(2, 3)], "do not say to which"),
    ("BBoxTransform", {"weights": [1.0, 1.0]}, [ones(3, 4), ones(3, 4), ones(1, 3)], "has 2 weights"),
    ("BBoxTransform", {}, [ones(3, 5), ones(3, 4), ones(1, 3)], "belong to image 1"),
    ("BoxWithNMSLimit", {}, [ones(3, 2), ones(3, 8), ones(1)], "do not fit the batch"),
    ("BoxWithNMSLimit", {}, [ones(3, 2), ones(3, 4)], "do not fit scores"),
    ("Mod", {"divisor": 0}, [whole(1, 2)], "divisor is 0"),
    ("PRelu", {}, [ones(1, 3, 2), ones(2)], "does not fit the 3 channels"),
    ("EnforceFinite", {}, [np.float32([1, np.nan])], "NaN or infinity"),
    ("Cast", {"to": 4}, [ones(2)], "casting to type"),
    ("GivenTensorFill", {"shape": [2]}, [], "'values' is missing"),
    ("GivenTensorFill", {"shape": [3], "values": [1.0, 2.0]}, [], "has 2 values for the shape"),
    ("GivenTensorByteStringToUInt8Fill", {"shape": [2]}, [], "must be one string"),
    ("ConstantFill", {"shape": [2]}, [ones(3)], "exclude each other"),
    ("ConstantFill", {"shape": [2], "dtype": 3}, [], "is not supported"),
    ("DiagonalFill", {"shape": [2, 2, 3]}, [], "more of one size"),
    ("Range", {}, [whole(1), whole(3), whole(0)], "step of 0"),
    ("TopK", {"k": 0}, [ones(2, 3)], "k is 0"),
    ("ArgMax", {"axis": -2}, [ones(2, 3)], "must be -1 or count"),
    ("Gather", {"axis": 1, "match_outer": 1}, [ones(2, 3), np.int64([[0], [1], [2]])], "Gather"),
    ("FC", {}, [ones(2, 3), ones(4, 2), ones(4)], "weights"),
    ("FC", {}, [ones(2, 3), ones(4, 3), ones(3)], "weights"),
    ("BatchMatMul", {"trans_a": 1}, [ones(2, 3), ones(2)], "trans_a with a vector"),
    ("BatchMatMul", {}, [ones(2, 3, 4), ones(3, 4, 5)], "leading dimensions"),
    ("DotProduct", {}, [ones(2, 3), ones(2, 2)], "differ in shape"),
    ("AffineChannel", {}, [ones(1, 3, 2, 2), ones(2), ones(2)], "2 elements for 3 channels"),
    ("LRN", {"size": 0}, [ones(1, 3, 2, 2)], "size must be positive"),
    ("LRN", {"size": 3}, [ones(1, 3, 2)], "4 dimensions"),
    ("GroupNorm", {"group": 2}, [ones(1, 3, 2, 2), ones(3), ones(3)], "do not divide into 2 groups"),
    ("LayerNorm", {}, [ones(3)], "at least 2 dimensions"),
    ("LayerNorm", {"elementwise_affine": 1}, [ones(2, 3)], "needs scale and bias"),
    ("ReduceMax", {"axes": [0]}, [ones(0, 3)], "no elements to choose"),
    ("ReduceBackSum", {"num_reduce_dim": 3}, [ones(2, 3)], "num_reduce_dim 3"),
    ("ReduceBackSum", {}, [ones(2, 3), whole(1)], "needs 2 lengths up to 3"),
    ("ReduceBackSum", {}, [ones(2, 3), whole(1, 4)], "needs 2 lengths up to 3"),
    ("LpNorm", {"p": 3}, [ones(2)], "p is 3"),
    ("RoIAlign", {}, [ones(1, 2, 4, 4), ones(3, 3)], "do not fit"),
    ("RoIAlign", {"aligned": 1}, [ones(1, 2, 4, 4), np.float32([[0, 3, 3, 1, 1]])], "negative size"),
    ("RoIPool", {}, [ones(1, 2, 4, 4), ones(3, 4)], "expected 5 columns"),
    ("CollectRpnProposals", {}, [ones(2, 5), ones(2)], "for 5 levels"),
    ("DistributeFpnProposals", {}, [ones(2, 5)], "outputs for the levels"),
    ("BatchPermutation", {}, [ones(3, 2), whole(0, 1)], "as many as the rows"),
    ("HeatmapMaxKeypoint", {}, [ones(2, 1, 3, 4), ones(2, 4)], "do not fit"),
    ("ResizeNearest", {}, [ones(1, 1, 2, 2), ones(3)], "two positive numbers"),
    ("ResizeNearest3D", {}, [ones(1, 1, 2, 2, 2)], "must be 2"),
    ("LengthsSum", {}, [ones(3, 2), whole(1, 1)], "do not make up 3 rows"),
    ("LengthsSum", {}, [ones(3, 2), whole(4, -1)], "do not make up 3 rows"),
    ("SparseLengthsSum", {}, [ones(3, 2), np.int64([3]), whole(1)], "outside of 3 rows"),
    ("SparseLengthsSum", {}, [ones(3, 2), np.int64([-1]), whole(1)], "outside of 3 rows"),
    ("SortedSegmentSum", {}, [ones(3, 2), whole(0, 1)], "2 segment ids for 3 rows"),
    ("SortedSegmentSum", {}, [ones(3, 2), whole(0, 2, 2)], "without gaps"),
    ("SortedSegmentSum", {}, [ones(3, 2), whole(0, 1, 0)], "must be sorted"),
    ("Slice", {"starts": [0], "ends": [1, 1]}, [ones(2, 3)], "do not fit the input"),
    ("Slice", {}, [ones(2, 3), whole(0, 0)], "second input without a third"),
    ("Slice", {"starts": [2, 0], "ends": [1, -1]}, [ones(3, 3)], "slice from 2 to 1"),
    ("Reshape", {"shape": [2]}, [ones(2), np.int64([2])], "exclude each other"),
    ("Reshape", {"shape": [2, 0]}, [ones(2)], "keeps a dimension"),
    ("Flatten", {"axis": 3}, [ones(2, 3)], "axis 3"),
    ("ExpandDims", {"dims": [4]}, [ones(2, 3)], "do not fit"),
    ("PrependDim", {"dim_size": 2}, [ones(3, 2)], "does not divide"),
    ("NumpyTile", {}, [ones(2, 3), np.int64([2])], "1 repeats for 2"),
    ("ChannelShuffle", {"group": 2}, [ones(1, 3, 2)], "do not divide into 2 groups"),
    ("PadImage", {"pad": 1}, [ones(1, 2, 3)], "4 dimensions"),
    ("PadImage", {"pad": 1, "mode": "wrap"}, [ones(1, 1, 2, 3)], "mode 'wrap' is unknown"),
    ("PadImage", {"pad": 3, "mode": "reflect"}, [ones(1, 1, 2, 3)], "cannot reflect further"),
    ("BatchToSpace", {"block_size": 2}, [ones(3, 1, 2, 2)], "does not divide a batch of 3"),
]


@pytest.mark.parametrize(("kind", "arguments", "inputs", "reason"), REFUSALS, ids=lambda value: str(value)[:30])
def test_what_has_no_meaning_is_refused_with_the_reason(kind, arguments, inputs, reason):
    net, feeds = single(kind, arguments, inputs)
    with pytest.raises(ValidationError, match=reason) as caught:
        interpret(net, None, feeds)
    assert str(caught.value).startswith(f"operator 0 {kind} ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "arguments", "inputs", "outputs", "reason"),
    [
        ("Concat", {"axis": 0}, [ones(2), whole(1)], 2, "one type"),
        ("Split", {"axis": 0, "split": [1, 1]}, [ones(2), whole(1, 1)], 2, "exclude each other"),
        ("Split", {"axis": 0, "split": [1, 2]}, [ones(2)], 2, "do not make up dimension 0"),
        ("Split", {"axis": 0}, [ones(3)], 2, "do not make up dimension 0"),
        ("SplitByLengths", {"axis": 0}, [ones(3), whole(1, 1)], 2, "do not make up dimension 0"),
        ("SplitByLengths", {"axis": 0}, [ones(3), whole(1, 1, 1)], 2, "do not make up dimension 0"),
    ],
)
def test_parts_that_do_not_make_up_the_whole_are_refused(kind, arguments, inputs, outputs, reason):
    net, feeds = single(kind, arguments, inputs, outputs)
    with pytest.raises(ValidationError, match=reason):
        interpret(net, None, feeds)


QUANTIZE = ("Int8Quantize", "x", "q", {"Y_scale": 0.1, "Y_zero_point": 128})
TARGET = {"Y_scale": 0.1, "Y_zero_point": 128}


@pytest.mark.parametrize(
    ("kind", "arguments", "shape", "reason"),
    [
        ("Int8MaxPool", {"kernel": 2, "order": "NCHW", **TARGET}, (1, 4, 4, 2), "NHWC images only"),
        ("Int8AveragePool", {"kernel": 1, "order": "NHWC", **TARGET}, (1, 4, 4, 2), "window of one element"),
        ("Int8MaxPool", {"kernel": 1, "order": "NHWC", **TARGET}, (1, 4, 4, 2), "window of one element"),
        ("Int8LeakyRelu", {"alpha": 1.5, **TARGET}, (2, 3), "alpha is 1.5"),
        ("Int8Sigmoid", TARGET, (2, 3), "Y_scale and Y_zero_point"),
        ("Int8Flatten", {"axis": 3, **TARGET}, (2, 3), "axis 3"),
        ("Int8Reshape", TARGET, (2, 3), "'shape' is missing"),
        ("Int8Slice", TARGET, (2, 3), "needs the arguments starts and ends"),
        ("Int8Slice", {"starts": [1, 1], "ends": [2, 2], **TARGET}, (3, 3), "more than one dimension"),
    ],
)
def test_int8_operators_refuse_what_has_no_meaning(kind, arguments, shape, reason):
    net = net_of(QUANTIZE, (kind, "q", "y", arguments))
    with pytest.raises(ValidationError, match=reason):
        interpret(net, None, {"x": ones(*shape)})


@pytest.mark.parametrize(
    ("operators", "reason"),
    [
        ([("Int8Flatten", "x", "y", TARGET)], "input 'x' must be an int8 tensor"),
        ([QUANTIZE, ("Relu", "q", "y", {})], "input 'q' must be a plain tensor"),
        ([QUANTIZE, ("Concat", "x q", "y y1", {})], "input 'q' must be a plain tensor"),
        ([("Gather", "x x", "y", {})], "input 'x' must be integers"),
        ([("BitwiseAnd", "x x", "y", {})], "no bits"),
        ([("BBoxTransform", "x x x", "y", {})], "one row for each image"),
        ([("BoxWithNMSLimit", "x x x", "y", {})], "one number for each image"),
    ],
)
def test_tensors_of_another_kind_are_refused(operators, reason):
    x = ones(2, 2, 1) if operators[0][0] == "BBoxTransform" else ones(2, 2)
    with pytest.raises(ValidationError, match=reason):
        interpret(net_of(*operators), None, {"x": x})


def test_a_boolean_where_numpy_computes_with_numbers_alone_is_refused():
    net, feeds = single("Negative", {}, [np.array([True])], 1)
    with pytest.raises(ValidationError, match="its inputs do not fit"):
        interpret(net, None, feeds)


_HUGE = 2**40
_IMAGE_OF_ONES = ones(1, 1, 2, 2)
_BINS = {"pooled_h": 2, "pooled_w": 2, "spatial_scale": 1.0}
_REGION = np.float32([[0, 0, 0, 1, 1]])


@pytest.mark.parametrize(
    ("operator", "arguments", "arrays", "outputs"),
    [
        ("ConstantFill", {"shape": [_HUGE], "value": 1.0}, [], 1),
        ("ConstantFill", {"input_as_shape": 1}, [np.int64([2**15, 2**15])], 1),
        ("RangeFill", {"shape": [_HUGE]}, [], 1),
        ("LengthsRangeFill", {}, [whole(2**30, 2**30)], 1),
        ("Range", {}, [np.int64([_HUGE])], 1),
        ("Tile", {"tiles": _HUGE, "axis": 0}, [ones(2)], 1),
        ("NumpyTile", {}, [ones(2, 2), whole(2**20, 2**20)], 1),
        ("Expand", {}, [ones(1), np.int64([2**20, 2**20])], 1),
        ("OneHot", {}, [np.int64([1]), np.int64([_HUGE])], 1),
        ("BatchOneHot", {}, [ones(1, 1), whole(2**30), ones(1)], 1),
        ("TopK", {"k": _HUGE}, [ones(2)], 3),
        ("PadImage", {"pad": 2**20}, [_IMAGE_OF_ONES], 1),
        ("PadImage", {"pad": 2**20, "mode": "edge"}, [_IMAGE_OF_ONES], 1),
        ("MaxPool", {"kernel": 2**21, "pad": 2**20}, [_IMAGE_OF_ONES], 1),
        ("ResizeNearest", {"height_scale": 1e6, "width_scale": 1e6}, [_IMAGE_OF_ONES], 1),
        ("ResizeNearest3D", {"temporal_scale": 1e9, "height_scale": 2.0, "width_scale": 2.0}, [ones(1, 1, 2, 2, 2)], 1),
        ("UpsampleBilinear", {"height_scale": 1e6, "width_scale": 1e6}, [_IMAGE_OF_ONES], 1),
        ("UpsampleNearest", {"scale": 2**20}, [_IMAGE_OF_ONES], 1),
        ("ConvTranspose", {"kernel": 1, "stride": 2**20}, [_IMAGE_OF_ONES, ones(1, 1, 1, 1)], 1),
        ("LengthsToSegmentIds", {}, [whole(2**30)], 1),
        ("LengthsTile", {}, [ones(1, 2), whole(2**30)], 1),
        ("SegmentIdsToLengths", {}, [whole(2**30)], 1),
        ("UnsortedSegmentSum", {"num_segments": _HUGE}, [ones(1, 2), whole(0)], 1),
        ("PackSegments", {"max_length": 2**30}, [whole(1), ones(1, 2)], 1),
        ("RoIAlign", {**_BINS, "pooled_h": 2**20}, [_IMAGE_OF_ONES, _REGION], 1),
        ("RoIAlign", {**_BINS, "sampling_ratio": 2**30}, [_IMAGE_OF_ONES, _REGION], 1),
        ("RoIAlign", _BINS, [_IMAGE_OF_ONES, np.float32([[0, 0, 0, 1e30, 1e30]])], 1),
        ("RoIPool", {**_BINS, "pooled_w": 2**20}, [_IMAGE_OF_ONES, _REGION], 2),
        ("RoIAlignRotated", {**_BINS, "sampling_ratio": 2**14}, [_IMAGE_OF_ONES, np.float32([[0, 1, 1, 2, 2, 0]])], 1),
    ],
)
def test_a_number_in_a_net_does_not_take_all_memory_or_hours(operator, arguments, arrays, outputs):
    net, feeds = single(operator, arguments, arrays, outputs)
    with pytest.raises(ValidationError, match=r"larger than|samples of each bin|bins; at most"):
        interpret(net, None, feeds)


@pytest.mark.parametrize("error", [TypeError, AttributeError])
def test_a_mistake_inside_a_kernel_does_not_read_as_one_of_the_net(monkeypatch: pytest.MonkeyPatch, error):
    def broken(op, x: np.ndarray):
        raise error("a mistake of ours")

    monkeypatch.setitem(KERNELS.entries(), "Relu", Kernel(broken))
    net, feeds = single("Relu", {}, [ones(2)], 1)
    with pytest.raises(error, match="a mistake of ours"):
        interpret(net, None, feeds)
