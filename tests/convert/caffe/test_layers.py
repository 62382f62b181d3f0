"""What each layer of a Caffe net becomes, against formulas, OpenCV (which reads Caffe's files by itself) and Caffe2's
own translator."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tests.convert.caffe.caffe_files import (
    IMAGE,
    Blobs,
    caffemodel,
    computed,
    computed_by_opencv,
    normal,
    positive,
    translated_by_caffe2,
    write,
)
from zoosmith.convert import ConvertError, caffe2_to_onnx, read_model, read_parameters
from zoosmith.convert.saved_tensors import read_tensor_protos
from zoosmith.validation import OnnxRuntimeRunner, compare
from zoosmith.validation.runtimes import find_environment, runtime_for

X = normal(2, 4, 7, 9)


def layers(*parts: str) -> str:
    """Layers `name type bottoms tops {settings}`; names of blobs are separated by commas."""
    text = IMAGE
    for part in parts:
        name, kind, bottoms, tops, *settings = part.split(maxsplit=4)
        ports = "".join(
            f' {field}: "{blob}"' for field, blobs in (("bottom", bottoms), ("top", tops)) for blob in blobs.split(",")
        )
        text += f'layer {{ name: "{name}" type: "{kind}"{ports} {"".join(settings)} }} '
    return text


@dataclass
class Case:
    """A net with parameters.

    Attributes:
        text: the net.
        blobs: its parameters by layer.
        translator: whether Caffe2's own translator takes it and makes the same of it.
        opencv: whether OpenCV computes what Caffe does.
        formula: what Caffe computes, where it is short.
    """

    text: str
    blobs: Blobs = field(default_factory=dict)
    translator: bool = True
    opencv: bool = True
    formula: Callable[[np.ndarray], np.ndarray] | None = None


def softmax(x: np.ndarray) -> np.ndarray:
    shifted = np.exp(x - x.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def lrn(x: np.ndarray, size: int, alpha: float, beta: float, k: float) -> np.ndarray:
    squares = np.pad(x * x, [(0, 0), (size // 2, size // 2), (0, 0), (0, 0)])
    return x / (k + alpha / size * sum(squares[:, i : i + x.shape[1]] for i in range(size))) ** beta


CONV = [normal(6, 4, 3, 3), normal(6)]
DILATED = [normal(4, 3, 3, 3), normal(3)]


def dilated_deconvolution(x: np.ndarray, stride: int, dilation: int) -> np.ndarray:
    weight, bias = DILATED
    height, width = ((size - 1) * stride + 2 * dilation + 1 for size in x.shape[2:])
    result = np.zeros((len(x), 3, height, width)) + bias[:, None, None]
    for row, column in np.ndindex(3, 3):
        top, left = row * dilation, column * dilation
        added = np.einsum("nchw,cm->nmhw", x, weight[:, :, row, column])
        result[:, :, top : top + stride * x.shape[2] - 1 : stride, left : left + stride * x.shape[3] - 1 : stride] += (
            added
        )
    return result


STATISTICS = [normal(4), positive(4), np.float32([2.5])]
CASES = {
    "convolution": Case(
        layers("c Convolution data c convolution_param { num_output: 6 kernel_size: 3 pad: 1 stride: 2 }"), {"c": CONV}
    ),
    "convolution with groups and dilation": Case(
        layers("c Convolution data c convolution_param { num_output: 6 kernel_size: 3 group: 2 dilation: 2 }"),
        {"c": [normal(6, 2, 3, 3), normal(6)]},
    ),
    "convolution without bias": Case(
        layers("c Convolution data c convolution_param { num_output: 6 kernel_size: 3 bias_term: false }"),
        {"c": CONV[:1]},
    ),
    "convolution with a window of two sizes": Case(
        layers(
            "c Convolution data c convolution_param { num_output: 6 kernel_h: 3 kernel_w: 1 stride_h: 2 stride_w: 1 "
            "pad_h: 2 pad_w: 0 }"
        ),
        {"c": [normal(6, 4, 3, 1), normal(6)]},
    ),
    "convolution with two values of each size": Case(
        layers(
            "c Convolution data c convolution_param { num_output: 6 kernel_size: 3 kernel_size: 1 stride: 2 stride: 1 "
            "pad: 2 pad: 0 dilation: 1 dilation: 2 }"
        ),
        {"c": [normal(6, 4, 3, 1), normal(6)]},
        translator=False,
    ),
    "deconvolution": Case(
        layers("c Deconvolution data c convolution_param { num_output: 3 kernel_size: 4 stride: 2 pad: 1 }"),
        {"c": [normal(4, 3, 4, 4), normal(3)]},
    ),
    "deconvolution with groups": Case(
        layers("c Deconvolution data c convolution_param { num_output: 6 kernel_size: 4 stride: 2 pad: 1 group: 2 }"),
        {"c": [normal(4, 3, 4, 4), normal(6)]},
        translator=False,
    ),
    "bilinear upsampling of each channel": Case(
        layers(
            "c Deconvolution data c convolution_param { num_output: 4 kernel_size: 4 stride: 2 pad: 1 group: 4 "
            "bias_term: false }"
        ),
        {"c": [np.broadcast_to(np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype("f4") / 16, (4, 1, 4, 4))]},
        translator=False,
    ),
    "deconvolution with dilation": Case(
        layers("c Deconvolution data c convolution_param { num_output: 3 kernel_size: 3 stride: 2 dilation: 2 }"),
        {"c": DILATED},
        translator=False,
        # it leaves the dilation out
        opencv=False,
        formula=lambda x: dilated_deconvolution(x, 2, 2),
    ),
    "max pool with sizes rounded up": Case(
        layers("p Pooling data p pooling_param { pool: MAX kernel_size: 3 stride: 2 pad: 1 }")
    ),
    "max pool with a window of two sizes": Case(
        layers("p Pooling data p pooling_param { pool: MAX kernel_h: 2 kernel_w: 3 stride: 2 }")
    ),
    "max pool with sizes rounded down": Case(
        layers("p Pooling data p pooling_param { pool: MAX kernel_size: 2 stride: 2 round_mode: FLOOR }"),
        translator=False,
        # OpenCV's reader does not have it
        opencv=False,
        formula=lambda x: x[:, :, :6, :8].reshape(2, 4, 3, 2, 4, 2).max((3, 5)),
    ),
    "average pool with sizes rounded up": Case(
        layers("p Pooling data p pooling_param { pool: AVE kernel_size: 3 stride: 2 }")
    ),
    "average pool with padding": Case(
        layers("p Pooling data p pooling_param { pool: AVE kernel_size: 3 stride: 1 pad: 1 }"),
        translator=False,
        formula=lambda x: np.lib.stride_tricks.sliding_window_view(
            np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)]), (3, 3), (2, 3)
        ).mean((4, 5)),
    ),
    "global pool": Case(
        layers("p Pooling data p pooling_param { pool: AVE global_pooling: true }"),
        formula=lambda x: x.mean((2, 3), keepdims=True),
    ),
    "inner product": Case(
        layers("f InnerProduct data f inner_product_param { num_output: 5 }"),
        {"f": [normal(5, 252), normal(5)]},
        formula=None,
    ),
    "inner product without bias": Case(
        layers("f InnerProduct data f inner_product_param { num_output: 5 bias_term: false }"),
        {"f": [normal(5, 252)]},
        translator=False,
    ),
    "inner product of a later axis": Case(
        layers("f InnerProduct data f inner_product_param { num_output: 5 axis: 2 }"),
        {"f": [normal(5, 63), normal(5)]},
        translator=False,
    ),
    "inner product of a transposed matrix": Case(
        layers("f InnerProduct data f inner_product_param { num_output: 5 transpose: true }"),
        {"f": [normal(252, 5), normal(5)]},
        translator=False,
        # OpenCV takes the matrix as it is
        opencv=False,
    ),
    "lrn": Case(layers("n LRN data n lrn_param { local_size: 3 alpha: 0.5 beta: 0.6 }")),
    # OpenCV leaves out k, and has other defaults
    "lrn with k": Case(
        layers("n LRN data n lrn_param { local_size: 3 alpha: 0.5 beta: 0.6 k: 2 }"),
        opencv=False,
        formula=lambda x: lrn(x, 3, 0.5, 0.6, 2),
    ),
    "lrn with defaults": Case(layers("n LRN data n"), opencv=False, formula=lambda x: lrn(x, 5, 1, 0.75, 1)),
    "batch norm": Case(
        layers("b BatchNorm data b batch_norm_param { eps: 0.01 }"),
        {"b": STATISTICS},
        formula=lambda x: (
            (x - STATISTICS[0].reshape(4, 1, 1) / 2.5) / np.sqrt(STATISTICS[1].reshape(4, 1, 1) / 2.5 + 0.01)
        ),
    ),
    "batch norm and scale in place": Case(
        layers("b BatchNorm data b", "s Scale b b scale_param { bias_term: true }", "r ReLU b b"),
        {"b": STATISTICS, "s": [normal(4), normal(4)]},
    ),
    "batch norm with scale and bias of its own": Case(
        layers("b BatchNorm data b"),
        {"b": [*STATISTICS, normal(4), normal(4)]},
        # OpenCV takes the fourth parameter for something else
        opencv=False,
    ),
    "scale without bias": Case(layers("s Scale data s"), {"s": [normal(4)]}),
    "scale by another blob": Case(
        layers(
            "p Pooling data p pooling_param { pool: AVE global_pooling: true }",
            "f Flatten p f",
            "s Scale data,f s scale_param { axis: 0 }",
        ),
        translator=False,
        formula=lambda x: x * x.mean((2, 3), keepdims=True),
    ),
    "relu in place": Case(layers("a ReLU data a", "b ReLU a a"), formula=lambda x: np.maximum(x, 0)),
    "relu with a slope": Case(
        layers("r ReLU data r relu_param { negative_slope: 0.25 }"),
        translator=False,
        formula=lambda x: np.where(x > 0, x, x / 4),
    ),
    "prelu": Case(layers("p PReLU data p"), {"p": [positive(4)]}),
    "prelu of one slope": Case(
        layers("p PReLU data p prelu_param { channel_shared: true }"), {"p": [positive(1)]}, translator=False
    ),
    "elu": Case(layers("e ELU data e elu_param { alpha: 0.5 }"), translator=False),
    "sigmoid": Case(layers("s Sigmoid data s")),
    "tanh": Case(layers("t TanH data t"), formula=np.tanh),
    "absolute value": Case(layers("a AbsVal data a"), translator=False, formula=np.abs),
    "power": Case(
        layers("a AbsVal data a", "p Power a p power_param { power: 3 scale: 0.5 shift: 1.5 }"),
        translator=False,
        formula=lambda x: (1.5 + 0.5 * np.abs(x)) ** 3,
    ),
    "power that changes nothing": Case(layers("p Power data p"), translator=False, formula=lambda x: x),
    "dropout": Case(layers("d Dropout data d dropout_param { dropout_ratio: 0.25 }"), formula=lambda x: x),
    "softmax over channels at each place": Case(layers("s Softmax data s"), translator=False, formula=softmax),
    "softmax of a vector": Case(
        layers("f InnerProduct data f inner_product_param { num_output: 5 }", "s Softmax f s"),
        {"f": [normal(5, 252), normal(5)]},
    ),
    "softmax after a global pool": Case(
        layers("p Pooling data p pooling_param { pool: AVE global_pooling: true }", "s Softmax p s")
    ),
    "concat": Case(
        layers("r ReLU data r", "c Concat data,r c"), formula=lambda x: np.concatenate([x, np.maximum(x, 0)], 1)
    ),
    "concat of another axis": Case(
        layers("r ReLU data r", "c Concat data,r c concat_param { axis: 2 }"),
        translator=False,
        formula=lambda x: np.concatenate([x, np.maximum(x, 0)], 2),
    ),
    "sum": Case(layers("r ReLU data r", "e Eltwise data,r e"), formula=lambda x: x + np.maximum(x, 0)),
    "sum with coefficients": Case(
        layers("r ReLU data r", "e Eltwise data,r e eltwise_param { operation: SUM coeff: 1 coeff: -2.5 }"),
        translator=False,
        formula=lambda x: x - 2.5 * np.maximum(x, 0),
    ),
    "product": Case(
        layers("r ReLU data r", "t TanH data t", "e Eltwise data,r,t e eltwise_param { operation: PROD }"),
        translator=False,
        formula=lambda x: x * np.maximum(x, 0) * np.tanh(x),
    ),
    "maximum": Case(
        layers("t TanH data t", "e Eltwise data,t e eltwise_param { operation: MAX }"),
        translator=False,
        formula=lambda x: np.maximum(x, np.tanh(x)),
    ),
    "split": Case(
        layers("s Split data a,b", "t TanH a t", "e Eltwise t,b e"), translator=False, formula=lambda x: x + np.tanh(x)
    ),
    "slice": Case(
        layers("s Slice data a,b", "e Eltwise a,b e eltwise_param { operation: SUM }"),
        translator=False,
        formula=lambda x: x[:, :2] + x[:, 2:],
    ),
    "slice at points": Case(
        layers(
            "s Slice data a,b,c slice_param { slice_point: 1 slice_point: 3 }",
            "e Eltwise a,c e eltwise_param { operation: SUM }",
            "j Concat b,e j",
        ),
        translator=False,
        formula=lambda x: np.concatenate([x[:, 1:3], x[:, :1] + x[:, 3:]], 1),
    ),
    "slice at a point of a later axis": Case(
        layers("s Slice data a,b slice_param { axis: -1 slice_point: 4 }", "j Concat b,a j concat_param { axis: -1 }"),
        translator=False,
        formula=lambda x: np.concatenate([x[..., 4:], x[..., :4]], -1),
    ),
    "flatten": Case(layers("f Flatten data f"), formula=lambda x: x.reshape(2, -1)),
    "reshape": Case(
        layers("r Reshape data r reshape_param { shape { dim: 0 dim: 2 dim: -1 } }"),
        formula=lambda x: x.reshape(2, 2, -1),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_layer_computes_its_formula_and_converts_to_onnx(name: str) -> None:
    case = CASES[name]
    found = computed(case.text, case.blobs, X)
    if case.formula is not None:
        np.testing.assert_allclose(found, case.formula(X), rtol=1e-4, atol=1e-5)
    model = read_model(case.text.encode(), caffemodel(case.blobs))
    onnx_model = caffe2_to_onnx(model.net, model.init, inputs=model.inputs, opset=None)
    (converted,) = OnnxRuntimeRunner(onnx_model).run({"data_0": X}).values()
    assert compare({"y": found}, {"y": converted}).passed


@pytest.fixture(scope="module")
def opencv() -> Path:
    python = find_environment(runtime_for("opencv-python-headless==4.10.0.84"))
    if python is None:
        pytest.skip("OpenCV is not installed (zoosmith runtime install opencv-python-headless==4.10.0.84)")
    return python


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.opencv])
def test_a_layer_computes_what_opencv_makes_of_the_files(name: str, opencv: Path, tmp_path: Path) -> None:
    case = CASES[name]
    write(tmp_path, case.text, case.blobs)
    expected = computed_by_opencv(opencv, tmp_path, X)
    np.testing.assert_allclose(computed(case.text, case.blobs, X), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.caffe2
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.translator])
def test_a_layer_becomes_what_the_translator_of_caffe2_makes_of_it(
    name: str, caffe2_environment: Path, tmp_path: Path
) -> None:
    case = CASES[name]
    files = write(tmp_path, case.text, case.blobs)
    theirs, parameters = translated_by_caffe2(caffe2_environment, tmp_path)
    ours = read_model(*files)
    assert list(ours.net.op) == list(theirs.op)
    expected = read_tensor_protos(memoryview(parameters.read_bytes()))
    assert ours.init is not None
    found = read_parameters(ours.init)
    assert found.keys() == expected.keys()
    for blob, tensor in expected.items():
        np.testing.assert_array_equal(found[blob], tensor.array())


REFUSED = {
    "no translation for 2 types of layers: Permute (1), PriorBox (2)": layers(
        "a Permute data a", "b PriorBox a b", "c PriorBox a c"
    ),
    "the weight is not in the .caffemodel": layers(
        "c Convolution data c convolution_param { num_output: 6 kernel_size: 3 }"
    ),
    "norm_region within a channel": layers("n LRN data n lrn_param { norm_region: WITHIN_CHANNEL }"),
    "averages with padding, a stride": layers(
        "p Pooling data p pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }"
    ),
    "a stochastic pool": layers("p Pooling data p pooling_param { pool: STOCHASTIC kernel_size: 3 }"),
    "use_global_stats: false": layers("b BatchNorm data b batch_norm_param { use_global_stats: false }"),
    "it reads 'nothing', which no layer before it makes": layers("r ReLU nothing r"),
    "LRNParameter has a field 'unknown' that is not known": layers("n LRN data n lrn_param { unknown: 3 }"),
    "slice points [3, 1] of 3 tops": layers("s Slice data a,b,c slice_param { slice_point: 3 slice_point: 1 }"),
    "slice points [1] of 3 tops": layers("s Slice data a,b,c slice_param { slice_point: 1 }"),
    "axis 4 of 4 dimensions": layers("s Slice data a,b slice_param { axis: 4 }"),
    "num_axes 2": layers("s Scale data s scale_param { num_axes: 2 }"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_would_compute_something_else_is_refused(reason: str) -> None:
    with pytest.raises(ConvertError) as error:
        read_model(REFUSED[reason].encode(), caffemodel({"s": [normal(4)]}))
    assert reason in str(error.value)


def test_statistics_that_were_never_gathered_are_refused() -> None:
    with pytest.raises(ConvertError, match="never gathered"):
        read_model(
            layers("b BatchNorm data b").encode(), caffemodel({"b": [normal(4), positive(4), np.zeros(1, "f4")]})
        )


def test_two_layers_in_place_keep_their_own_parameters() -> None:
    text = layers("a Scale data a", "b Scale a a")
    factors = normal(4), normal(4)
    found = computed(text, {"a": [factors[0]], "b": [factors[1]]}, X)
    np.testing.assert_allclose(found, X * (factors[0] * factors[1]).reshape(4, 1, 1), rtol=1e-5)
