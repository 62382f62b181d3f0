"""Run a model with onnx's reference evaluator and the legacy operators."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from zoosmith.onnx_model.errors import first_line
from zoosmith.onnx_model.external_data import external_tensors, load_external_data
from zoosmith.onnx_model.in_place import array_of, load_spans
from zoosmith.onnx_model.loading import Model, load_in_place, load_model, model_name
from zoosmith.onnx_model.ports import input_ports
from zoosmith.onnx_model.traversal import all_nodes
from zoosmith.validation.errors import RunError, ValidationError
from zoosmith.validation.inputs.checks import checked_inputs
from zoosmith.validation.legacy import legacy_operators
from zoosmith.validation.running.run_limit import run_limit
from zoosmith.validation.running.runner import reference_evaluator
from zoosmith.validation.running.stopping import run_apart


class ReferenceRunner:
    """Runs a model of any opset with onnx's reference evaluator, which our legacy operators complete.

    Meant for opsets and operators that ONNX Runtime does not run; slower than it.

    Args:
        model: a path, the file's content or a ModelProto.

    Raises:
        ValidationError: the evaluator cannot load the model.
    """

    def __init__(self, model: Model):
        self.name = model_name(model)
        self.runtime = reference_evaluator()
        self._model = model
        whole = load_model(model) if isinstance(model, (bytes, onnx.ModelProto)) else _with_large_tensors_in_file(model)
        self._may_not_end = bool(whole.functions) or any(node.op_type == "Loop" for node in all_nodes(whole.graph))
        self.inputs = input_ports(whole.graph)
        self.output_names: list[str] = [value.name for value in whole.graph.output]
        try:
            self._evaluator = _LegacyEvaluator(whole)
        except ValidationError:
            raise
        except Exception as error:
            # the evaluator raises what its operators raise
            raise ValidationError(
                f"{self.name}: the reference evaluator cannot load it: {first_line(error)}"
            ) from error

    def run(self, inputs: Mapping[str, Any], *, timeout: float | None = None) -> dict[str, Any]:
        """Return the outputs by name: arrays, lists for sequences, None for an empty optional.

        With a `timeout` (seconds) the model runs in a process of its own, which can be stopped; with that of
        `runs_limited` only where it may have no end, since that process takes a second to start. Raises as `Runner.run`
        does.
        """
        timeout = run_limit() if timeout is None and self._may_not_end else timeout
        feeds = checked_inputs(self.inputs, inputs, self.name)
        if timeout is not None:
            source = self._model.SerializeToString() if isinstance(self._model, onnx.ModelProto) else self._model
            return run_apart(self.name, timeout, _run_reference, source, dict(inputs), self.name)
        try:
            with np.errstate(all="ignore"):
                results = self._evaluator.run(None, feeds)
        except ValidationError as error:
            raise ValidationError(f"{self.name}: {error}") from error
        except Exception as error:
            raise RunError(f"{self.name}: the reference evaluator failed: {first_line(error)}") from error
        return dict(zip(self.output_names, results, strict=True))


def _with_large_tensors_in_file(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """Load a model but for the large floats among its parameters, which the evaluator maps."""
    model = load_in_place(path)
    load_external_data(external_tensors(model), Path(path).parent)
    parameters = list(model.graph.initializer)
    mapped = [tensor for tensor in parameters if tensor.data_type == onnx.TensorProto.FLOAT]
    del model.graph.initializer[:]
    model.graph.initializer.extend(tensor for tensor in parameters if tensor.data_type != onnx.TensorProto.FLOAT)
    load_spans(model)
    model.graph.initializer.extend(mapped)
    return model


def _run_reference(source: Any, inputs: dict[str, Any], name: str) -> dict[str, Any]:
    runner = ReferenceRunner(source)
    runner.name = name
    return runner.run(inputs)


class _LegacyEvaluator(ReferenceEvaluator):
    def retrieve_external_data(self, x: onnx.TensorProto) -> np.ndarray:
        """Map a tensor that was left in its file."""
        mapped = array_of(x)
        return super().retrieve_external_data(x) if mapped is None else mapped

    # onnx builds the evaluators of subgraphs and of functions through the class of their parent: each of them gets the
    # legacy operators of its own opset here
    def __init__(self, proto: Any, opsets: dict[str, int] | None = None, **options: Any):
        declared = opsets if opsets is not None else {d.domain: d.version for d in getattr(proto, "opset_import", ())}
        options["new_ops"] = legacy_operators(declared.get("", declared.get("ai.onnx", 1)))
        super().__init__(proto, opsets=opsets, **options)
