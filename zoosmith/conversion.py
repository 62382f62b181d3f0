"""Is an ONNX model the Caffe2 net it was made from? Both are run on the same random inputs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from zoosmith.convert import read_net
from zoosmith.validation import compare, interpret, random_inputs, runner_for

if TYPE_CHECKING:
    import onnx

    from zoosmith.convert import NetSource
    from zoosmith.convert.proto.caffe2_pb2 import NetDef
    from zoosmith.validation import Comparison

# a batch of one would hide what a wrong batch does
_SYMBOLIC_SIZE = 2
# operators whose third input is (height, width, scale) of each image
_WITH_IMAGE_SIZES = {"GenerateProposals", "GenerateProposalsCPP", "BBoxTransform"}
_IMAGE_SIZE = 320


def verify_conversion(
    predict_net: "NetSource", init_net: "NetSource | None", model: "onnx.ModelProto", *, names: str, seed: int = 0
) -> "Comparison":
    """Run a model and the net it was made from on random inputs, symbolic sizes taken as 2, and compare the outputs.

    `names` is the style of names the model was converted with. Raises ValidationError where one of the two cannot run
    on such inputs: a model that only newer runtimes know, a net whose indices must stay in a range.
    """
    parameters = {tensor.name for tensor in model.graph.initializer}
    data = [value for value in model.graph.input if value.name not in parameters]
    symbols = {dim.dim_param for value in data for dim in value.type.tensor_type.shape.dim if dim.dim_param}
    inputs = random_inputs(model, seed=seed, dims=dict.fromkeys(sorted(symbols), _SYMBOLIC_SIZE))
    blobs = {name: name.removesuffix("_0") if names == "zoo" else name for name in inputs}
    net = read_net(predict_net)
    fed = with_image_sizes(net, {blobs[name]: array for name, array in inputs.items()})
    computed = interpret(net, init_net, fed)
    outputs = [value.name for value in model.graph.output]
    expected = {name: computed[blob] for name, blob in zip(outputs, net.external_output, strict=True)}
    return compare(expected, runner_for(model).run({name: fed[blobs[name]] for name in inputs}))


def with_image_sizes(net: "NetDef", inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Put the image's size where detection operators read it from an input: in one of a random size no box is found."""
    sizes = {op.input[2] for op in net.op if op.type in _WITH_IMAGE_SIZES and len(op.input) > 2}
    images = [array.shape[2:] for array in inputs.values() if np.ndim(array) == 4 and array.shape[1] == 3]
    row = np.array([*(images[0] if images else (_IMAGE_SIZE, _IMAGE_SIZE)), 1], np.float32)
    return {blob: np.tile(row, (len(array), 1)) if blob in sizes else array for blob, array in inputs.items()}
