"""Which opsets a model imports, and which nodes are of ONNX's own domain."""

from onnx import FunctionProto, ModelProto, NodeProto

from zoosmith.onnx_model.errors import ModelError

DEFAULT_DOMAINS = ("", "ai.onnx")
"""Both spellings of the domain of ONNX's own operators."""

CONTRIB_DOMAIN = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""


def default_opset(model: ModelProto | FunctionProto) -> int | None:
    """The version of ONNX's own operators that a model or a model-local function imports.

    Args:
        model: what has an `opset_import`.

    Returns:
        The version, the highest where several entries import the domain; None where none does.
    """
    versions = [entry.version for entry in model.opset_import if entry.domain in DEFAULT_DOMAINS]
    return max(versions, default=None)


def imported_version(model: ModelProto | FunctionProto, domain: str) -> int | None:
    """The version of a domain that a model or a model-local function imports, the highest; None where it imports none.

    Args:
        model: what has an `opset_import`.
        domain: its name; both spellings of the default domain are the same.
    """
    if domain in DEFAULT_DOMAINS:
        return default_opset(model)
    return max((entry.version for entry in model.opset_import if entry.domain == domain), default=None)


def required_opset(model: ModelProto | FunctionProto) -> int:
    """The version of ONNX's own operators that a model imports, where it has to import them.

    Args:
        model: what has an `opset_import`.

    Raises:
        ModelError: it imports none.
    """
    version = default_opset(model)
    if version is None:
        raise ModelError("the model imports no ONNX opset; expected an opset_import of the default domain")
    return version


def imported_versions(model: ModelProto) -> dict[str, int]:
    """The version of every domain that a model imports, the highest of each; the default domain is the empty name."""
    names = dict.fromkeys("" if entry.domain in DEFAULT_DOMAINS else entry.domain for entry in model.opset_import)
    found = {name: imported_version(model, name) for name in names}
    return {name: version for name, version in found.items() if version is not None}


def is_standard(node: NodeProto, *op_types: str) -> bool:
    """Whether the node is one of these operators of ONNX's own domain."""
    return node.op_type in op_types and node.domain in DEFAULT_DOMAINS
