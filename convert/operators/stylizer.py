"""First and last operator of Caffe2's style transfer nets: between bytes of BGRA pixels and floats less a mean."""

import numpy as np
from onnx import TensorProto

from zoosmith.convert.graph import Value
from zoosmith.convert.onnx_operators import cast, clip, pad, reshape, slice_axes
from zoosmith.convert.operator import Operator
from zoosmith.convert.registry import translator

_COLOURS = 3


@translator("PackedInt8BGRANHWCToNCHWCStylizerPreprocess", inputs=2)
def stylizer_preprocess(op: Operator) -> None:
    """Pixels (n, h, w, 4) of bytes become an image (n, 3, h, w) less the mean, plus noise, the same each time."""
    image, mean = op.inputs
    op.expect_shape(image, [None, None, None, 4], "the pixels")
    op.expect_shape(mean, [_COLOURS], "the mean")
    if image.elem_type != TensorProto.UINT8:
        op.refuse(f"the pixels {image.name!r} are no unsigned bytes")
    colours = slice_axes(op, cast(op, image, TensorProto.FLOAT), [3], [0], [_COLOURS])
    centred = op.emit("Sub", colours, mean)
    deviation = op.number("noise_std", 10.0)
    if deviation:
        noise = _noise(op, centred, deviation)
        noise.set_type(TensorProto.FLOAT, (*op.shape(image)[1:3], _COLOURS))
        centred = op.emit("Add", centred, noise)
    op.emit("Transpose", centred, to=0, perm=[0, 3, 1, 2])


def _noise(op: Operator, image: Value, deviation: float) -> Value:
    """Noise for each pixel (h, w, 3) of an image: a short run of normal numbers, again and again."""
    if not op.definition.device_option.HasField("random_seed"):
        op.refuse(f"argument noise_std={deviation} without a random_seed: it adds other noise each time; set it to 0")
    op.require(11, "ONNX has had Range since then")
    size = op.integer("noise_size", 491)
    if size < 1:
        op.refuse(f"argument noise_size={size}: expected 1 or more")
    noise = op.constant(normal_numbers(op.definition.device_option.random_seed, size) * np.float32(deviation))
    shape = slice_axes(op, op.emit("Shape", image), [0], [1], [4])
    zero, one, period = (op.constant(np.array(n, np.int64)) for n in (0, 1, size))
    count = op.emit("ReduceProd", shape, keepdims=0)
    places = op.emit("Mod", op.emit("Range", zero, count, one), period)
    return reshape(op, op.emit("Gather", noise, places), shape)


def normal_numbers(seed: int, count: int) -> np.ndarray:
    """Draw what Caffe2's CPU generator draws: by Box and Muller, two from two uniform numbers of 24 bits.

    Args:
        seed: of the Mersenne twister.
        count: how many.

    Returns:
        Float32 numbers of mean 0 and deviation 1.
    """
    twister = np.random.RandomState(seed)
    bits = twister.randint(0, 2**32, (count + 1) // 2 * 2, dtype=np.uint32)
    uniform = (bits & 0xFFFFFF).reshape(-1, 2) * 2.0**-24
    radius, angle = np.sqrt(-2 * np.log1p(-uniform[:, 1])), 2 * np.pi * uniform[:, 0]
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return pairs.reshape(-1)[:count].astype(np.float32)


@translator("BRGNCHWCToPackedInt8BGRAStylizerDeprocess", inputs=2)
def stylizer_deprocess(op: Operator) -> None:
    """An image (n, 3, h, w) plus the mean becomes pixels (n, h, w, 4) of bytes, cut to 0 … 255, opaque."""
    image, mean = op.inputs
    op.expect_shape(image, [None, _COLOURS, None, None], "the image")
    op.expect_shape(mean, [_COLOURS], "the mean")
    pixels = op.emit("Add", op.emit("Transpose", image, perm=[0, 2, 3, 1]), mean)
    opaque = pad(op, clip(op, pixels, 0.0, 255.0), [0, 0, 0, 0, 0, 0, 0, 1], "constant", 255.0)
    cast(op, opaque, TensorProto.UINT8, to=0)
