"""Caffe2 nets converted to ONNX files, verified before they are written."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onnx import ModelProto, TensorProto

from zoosmith.convert import caffe2_to_onnx, read_model
from zoosmith.convert.net_ports import with_outputs
from zoosmith.convert.translation import InputInfo
from zoosmith.execution import SILENT, Progress
from zoosmith.files.writing import Written, write_verified
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.files import refuse_replacing
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.onnx_model.reading import read_regular, reading
from zoosmith.onnx_model.saving import save_model
from zoosmith.onnx_model.tensor_data import ELEMENT_TYPES, check_shape
from zoosmith.validation.inputs.random_values import InputShape
from zoosmith.validation.inputs.source import InputSource
from zoosmith.validation.verification.proof import Limits, Proof

# of a file of types and shapes, in bytes
_LARGEST_JSON = 1 << 20


@dataclass(frozen=True)
class Converted:
    """What became of a net.

    Attributes:
        written: the file and how it was verified.
        model: the converted model.
    """

    written: Written
    model: ModelProto

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        output = self.written.output
        return {
            "output": None if output is None else str(output),
            "bytes": self.written.bytes,
            "nodes": len(self.model.graph.node),
            "from": None,
            "to": default_opset(self.model),
            "proof": self.written.proof_as_dict(),
        }


def convert_net(
    predict_net: Path,
    init_net: Path | None,
    output: Path,
    *,
    declared: InputInfo,
    opset: int | None = None,
    names: str = "zoo",
    outputs: Sequence[str] | None = None,
    verify: bool = True,
    inputs: InputSource | None = None,
    limits: Limits | None = None,
    providers: Sequence[str] | None = None,
    progress: Progress = SILENT,
) -> Converted:
    """Translate a Caffe2 net with its parameters to an ONNX file.

    Args:
        predict_net: the net's file, of any form that `read_model` takes.
        init_net: its parameters' file, likewise.
        output: the ONNX file to write.
        declared: type and shape of the net's inputs by blob; they replace those that the files state.
        opset: of the file; 9, or the lowest above that can express the net, by default.
        names: style of names, as `caffe2_to_onnx` takes it.
        outputs: blobs that become the outputs, as `caffe2_to_onnx` takes them.
        verify: whether model and net are compared; where they differ nothing is written.
        inputs: of the verification.
        limits: of the verification.
        providers: execution providers of ONNX Runtime for the verification.
        progress: shows how far it is.

    Returns:
        The converted model, and the file with how it was verified. Where outputs differ, no file is written.

    Raises:
        ZoosmithError: the net cannot be read, translated or run, the file cannot be written.
    """
    refuse_replacing(output, [predict_net] if init_net is None else [predict_net, init_net])
    source = read_model(predict_net, init_net)
    net = with_outputs(source.net, outputs)
    read = {*net.external_input, *(blob for op in net.op for blob in op.input)}
    known = {blob: info for blob, info in source.inputs.items() if blob in read}
    model = caffe2_to_onnx(
        source.net, source.init, inputs={**known, **declared}, opset=opset, names=names, outputs=outputs
    )
    # the model states the shapes that the user declared
    given = replace(inputs or InputSource(), shapes={})

    def prove(path: Path, check: Callable[[], None]) -> Proof:
        # a runtime is loaded only where something runs
        from zoosmith.validation import verify_net

        return verify_net(
            source.net,
            source.init,
            path,
            names=names,
            outputs=net.external_output[:],
            inputs=given,
            limits=limits,
            providers=providers,
            structure=model,
            meanwhile=check,
            progress=progress,
        )

    written = write_verified(output, lambda path: save_model(model, path), predict_net, prove if verify else None)
    return Converted(written, model)


def declared_inputs(shapes: Mapping[str, InputShape], value_info: Path | None) -> InputInfo:
    """Type and shape of a net's inputs.

    Args:
        shapes: by name, float32 where no type is given; they replace those of the file.
        value_info: a `value_info.json`, as Caffe2's exporter reads it: `{"data": [1, [1, 3, 224, 224]]}`.

    Returns:
        ONNX element type and shape by name, as `convert.caffe2_to_onnx` takes them.

    Raises:
        ZoosmithError: the file cannot be read, or is no such JSON.
    """
    inputs: dict[str, tuple[int, list[int | str]]] = {}
    if value_info is not None:
        content = read_regular(value_info, most=_LARGEST_JSON, error=ZoosmithError)
        with reading(value_info, 'JSON like {"data": [1, [1, 3, 224, 224]]}', ZoosmithError):
            for blob, (elem_type, shape) in json.loads(content).items():
                if elem_type not in ELEMENT_TYPES:
                    raise ZoosmithError(f"{elem_type!r} of input {blob!r} is none of ONNX's element types")
                for name in (blob, *(size for size in shape if isinstance(size, str))):
                    name.encode()  # half of a surrogate pair is no name
                inputs[blob] = (elem_type, [size if isinstance(size, str) else int(size) for size in shape])
    for blob, given in shapes.items():
        inputs[blob] = (TensorProto.FLOAT if given.elem_type is None else given.elem_type, list(given.sizes))
    for blob, (_, shape) in inputs.items():
        check_shape([size for size in shape if isinstance(size, int)], f"input {blob!r}")
    return inputs
