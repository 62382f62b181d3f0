"""What goes into a net and what comes out of it, where the net itself does not say so."""

from collections.abc import Mapping, Sequence

from zoosmith.convert.errors import ConvertError
from zoosmith.convert.fill_operators import Tensor
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.convert.unread_operators import unread_operators
from zoosmith.onnx_model.argument_names import argument

# operators whose outputs beyond the first serve their gradient or describe the result
_ONE_RESULT = {
    "Concat",
    "DepthConcat",
    "Dropout",
    "GroupNorm",
    "InstanceNorm",
    "LRN",
    "LayerNorm",
    "MaxPoolWithIndex",
    "Reshape",
    "RMSNorm",
    "RoIPool",
    "SoftmaxWithLoss",
    "SpatialBN",
}
# operators all of whose inputs may be data; of the others it is the first one
_ONLY_DATA = {"Concat", "DepthConcat", "Max", "Mean", "Min", "Sum"}


def with_outputs(net: NetDef, outputs: Sequence[str] | None = None) -> NetDef:
    """Give a net the external outputs that are wanted, or those it does not name itself.

    Args:
        net: it is left as it was.
        outputs: blobs to be the outputs, as the net leaves them; by default the external outputs, and where the net
            names none, the results that are written and never read, in the order in which they are written.

    Returns:
        The net with its outputs; where `outputs` are given, without the operators and inputs that they do not need.
        The net itself where there is nothing to change.

    Raises:
        ConvertError: the net has no such blob, or every blob that it writes is read again.
    """
    if outputs is None:
        if net.external_output or not net.op:
            return net
        found = unread_results(net)
        if not found:
            raise ConvertError(
                f"the net {net.name!r} names no external output, and every blob that it writes is read again; "
                f"name the outputs ({argument('outputs')})"
            )
        complete = NetDef()
        complete.CopyFrom(net)
        complete.external_output.extend(found)
        return complete
    known = {*net.external_input, *(blob for op in net.op for blob in (*op.input, *op.output))}
    for blob in outputs:
        if blob not in known:
            raise ConvertError(f"the net {net.name!r} has no blob {blob!r}; its results are {unread_results(net)}")
    dropped = unread_operators(net.op, outputs, range(len(net.op)))
    complete = NetDef()
    complete.CopyFrom(net)
    del complete.op[:], complete.external_input[:], complete.external_output[:]
    complete.op.extend(op for place, op in enumerate(net.op) if place not in dropped)
    needed = {*outputs, *(blob for op in complete.op for blob in op.input)}
    # nets inside of an operator read what they want
    nested = any(argument.HasField("n") for op in complete.op for argument in op.arg)
    complete.external_input.extend(blob for blob in net.external_input if nested or blob in needed)
    complete.external_output.extend(outputs)
    return complete


def likely_data(net: NetDef, parameters: Mapping[str, Tensor]) -> list[str]:
    """Find blobs that an init net fills only so that they exist: data, which every run replaces.

    Caffe2's exporters fill the data blob with one zero, of shape [1] (`caffe_translator`) or [1, 1]
    (`mobile_exporter`); others do so in the rank of the data.

    Args:
        net: which reads the blobs.
        parameters: what the init net fills.

    Returns:
        The blobs that are one float32 zero of such a shape and that an operator takes as data, in the order of reading.
    """
    stand_ins = {
        blob
        for blob, tensor in parameters.items()
        if set(tensor.shape) == {1} and tensor.dtype.str == "<f4" and not any(tensor.data)
    }
    found: dict[str, None] = {}
    written: set[str] = set()
    for op in net.op:
        read = op.input[:] if op.type in _ONLY_DATA else op.input[:1]
        found.update((blob, None) for blob in read if blob in stand_ins and blob not in written)
        written.update(op.output)
    return list(found)


def unread_results(net: NetDef) -> list[str]:
    """Find the blobs that nothing reads after they were last written, but for what serves gradients.

    Args:
        net: the net.

    Returns:
        Their names, in the order in which they are written.
    """
    results: dict[str, None] = {}
    for op in net.op:
        for blob in op.input:
            results.pop(blob, None)
        for blob in op.output[:1] if op.type in _ONE_RESULT else op.output:
            results.pop(blob, None)
            results[blob] = None
    return list(results)
