"""LabelEncoder: a table from keys to values, and what stands for the keys that it lacks."""

from typing import Any, NamedTuple

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from zoosmith.opset_upgrade.node_editing import drop_attribute, find_attribute, get_attribute, set_attribute
from zoosmith.opset_upgrade.registry import adapter
from zoosmith.opset_upgrade.schemas import ML_DOMAIN
from zoosmith.opset_upgrade.writer import Writer

_OPSET = 13  # of the standard operators that these rules write
_LISTS: dict[int, str] = {TensorProto.INT64: "int64s", TensorProto.FLOAT: "floats", TensorProto.STRING: "strings"}
_DEFAULTS: dict[int, str] = {
    TensorProto.INT64: "default_int64",
    TensorProto.FLOAT: "default_float",
    TensorProto.STRING: "default_string",
}


class _Table(NamedTuple):
    keys: np.ndarray
    values: np.ndarray
    default: Any
    key_type: int
    value_type: int


@adapter("LabelEncoder", source=1, target=2, domain=ML_DOMAIN)
def _classes_as_pairs(node: NodeProto, g: Writer) -> None:
    """Before 2 the strings are classes, numbered from 0; the type of the input tells the direction."""
    classes = [text.decode() for text in get_attribute(node, "classes_strings", [])]
    drop_attribute(node, "classes_strings")
    numbers = list(range(len(classes)))
    if g.element_type(node.input[0]) == TensorProto.STRING:
        set_attribute(node, "keys_strings", classes)
        set_attribute(node, "values_int64s", numbers)
    else:
        set_attribute(node, "keys_int64s", numbers)
        set_attribute(node, "values_strings", classes)


@adapter("LabelEncoder", source=2, target=4, domain=ML_DOMAIN)
def _keys_that_never_match(node: NodeProto, g: Writer) -> None:
    """Since 4 a key that is NaN matches NaN; before it matches nothing."""
    keys = get_attribute(node, "keys_floats", [])
    kept = [index for index, key in enumerate(keys) if not np.isnan(key)]
    if len(kept) == len(keys):
        return
    for attribute in list(node.attribute):
        if attribute.name.startswith(("keys_", "values_")):
            entries = get_attribute(node, attribute.name)
            set_attribute(node, attribute.name, [entries[index] for index in kept])


@adapter("LabelEncoder", source=4, target=2, any_type=True, domain=ML_DOMAIN)
def _lists_for_tensors(node: NodeProto, g: Writer) -> None:
    """Before 4 keys and values are lists of int64, float or string."""
    tensors = any(find_attribute(node, f"{what}_tensor") for what in ("keys", "values", "default"))
    table = _table(node, g)
    has_nan = table.key_type == TensorProto.FLOAT and bool(np.isnan(table.keys.astype(np.float32)).any())
    if not tensors and not has_nan:
        return
    data, result = node.input[0], node.output[0]
    if table.key_type in (TensorProto.INT32, TensorProto.INT16):
        data = g.op("Cast", data, to=TensorProto.INT64, opset=_OPSET)
        table = table._replace(key_type=TensorProto.INT64)
    if table.key_type == TensorProto.DOUBLE or has_nan:
        _gather(g, table, _search(g, data, table), result)
    elif table.value_type in _LISTS:
        _encode(g, table, data, result)
    elif table.value_type in (TensorProto.INT32, TensorProto.INT16):
        wide = _encode(g, table._replace(value_type=TensorProto.INT64), data, "")
        g.op("Cast", wide, to=table.value_type, output=result, opset=_OPSET)
    else:
        _gather(g, table, _encode(g, _positions(table), data, ""), result)


@adapter("LabelEncoder", source=2, target=1, any_type=True, domain=ML_DOMAIN)
def _classes_or_categories(node: NodeProto, g: Writer) -> None:
    """Version 1 maps strings to their place and back; CategoryMapper maps strings to any int64 and back."""
    table = _unique(_table(node, g))
    data, result = node.input[0], node.output[0]
    kinds = (table.key_type, table.value_type)
    string, integer = TensorProto.STRING, TensorProto.INT64
    if kinds == (string, integer):
        _map(g, data, table.keys, table.values, table, result)
    elif kinds == (integer, string):
        _map(g, data, table.values, table.keys, table, result)
    elif table.key_type == TensorProto.FLOAT:
        _gather(g, table, _search(g, data, table), result)
    else:
        places = _positions(table)
        if table.key_type == integer:
            # a number to its text, and that to its place
            texts = np.array([str(key) for key in table.keys], dtype=object)
            between = table._replace(default="", value_type=string)
            data = _map(g, data, texts, table.keys, between, "")
            places = places._replace(keys=texts)
        _gather(g, table, _map(g, data, places.keys, places.values, places, ""), result)


def _table(node: NodeProto, g: Writer) -> _Table:
    key_type, keys = _entries(node, "keys", g)
    value_type, values = _entries(node, "values", g)
    if len(keys) != len(values):
        g.refuse(f"it has {len(keys)} keys and {len(values)} values")
    tensor = get_attribute(node, "default_tensor")
    if tensor is not None:
        default = numpy_helper.to_array(tensor).reshape(-1)[0]
        default = default.decode() if isinstance(default, bytes) else default
    elif value_type in _DEFAULTS:
        default = g.attribute(_DEFAULTS[value_type])
    else:
        default = -0.0 if value_type == TensorProto.DOUBLE else -1
    return _Table(keys, values, default, key_type, value_type)


def _entries(node: NodeProto, what: str, g: Writer) -> tuple[int, np.ndarray]:
    """Element type and entries of the keys or values, in whichever attribute they are."""
    tensor = get_attribute(node, f"{what}_tensor")
    if tensor is not None:
        return tensor.data_type, _texts(numpy_helper.to_array(tensor).reshape(-1))
    for kind, suffix in _LISTS.items():
        entries = get_attribute(node, f"{what}_{suffix}")
        if entries is not None:
            return kind, _texts(np.array(entries, dtype=_dtype(kind)))
    g.refuse(f"it has no attribute {what}_*")


def _texts(array: np.ndarray) -> np.ndarray:
    if array.dtype != object:
        return array
    return np.array([text.decode() if isinstance(text, bytes) else text for text in array], dtype=object)


def _dtype(kind: int) -> Any:
    return object if kind == TensorProto.STRING else helper.tensor_dtype_to_np_dtype(kind)


def _unique(table: _Table) -> _Table:
    """The table without repeated keys: the first one counts; and without NaN, which matches nothing below 4."""
    first: dict[Any, int] = {}
    for index, key in enumerate(table.keys.tolist()):
        if not (isinstance(key, float) and np.isnan(key)):
            first.setdefault(key, index)
    kept = list(first.values())
    return table._replace(keys=table.keys[kept], values=table.values[kept])


def _positions(table: _Table) -> _Table:
    """The table from each key to its place; a key that it lacks has the place after the last."""
    count = len(table.keys)
    return table._replace(values=np.arange(count), default=count, value_type=TensorProto.INT64)


def _encode(g: Writer, table: _Table, data: str, output: str) -> str:
    """A LabelEncoder of version 2."""
    attributes = {
        f"keys_{_LISTS[table.key_type]}": table.keys.tolist(),
        f"values_{_LISTS[table.value_type]}": table.values.tolist(),
        _DEFAULTS[table.value_type]: table.default.item() if isinstance(table.default, np.generic) else table.default,
    }
    return _with_type(g, data, table, g.op("LabelEncoder", data, output=output, domain=ML_DOMAIN, **attributes))


def _map(g: Writer, data: str, texts: np.ndarray, numbers: np.ndarray, table: _Table, output: str) -> str:
    """Strings to numbers or back: a LabelEncoder of version 1 where the numbers count from 0, else a CategoryMapper."""
    default = {_DEFAULTS[table.value_type]: table.default}
    if sorted(numbers.tolist()) == list(range(len(numbers))) and len(set(texts.tolist())) == len(texts):
        classes = [texts[place] for place in np.argsort(numbers)]
        made = g.op("LabelEncoder", data, output=output, domain=ML_DOMAIN, classes_strings=classes, **default)
    else:
        lists = {"cats_strings": texts.tolist(), "cats_int64s": numbers.tolist()}
        made = g.op("CategoryMapper", data, output=output, domain=ML_DOMAIN, **lists, **default)
    return _with_type(g, data, table, made)


def _with_type(g: Writer, data: str, table: _Table, made: str) -> str:
    """State the type of what was made, which shape inference may not tell of this domain."""
    g.state_type(made, g.type(data), table.value_type)
    return made


def _search(g: Writer, data: str, table: _Table) -> str:
    """The place of each element among the keys by comparison with all of them; the place after the last if absent."""
    keys = table.keys
    kind = table.key_type
    column = g.op("Unsqueeze", data, g.constant([-1]), opset=_OPSET)
    matches = g.op("Equal", column, g.typed_constant(keys, kind), opset=_OPSET)
    nan = np.isnan(keys)
    if nan.any():
        both = g.op("And", g.op("IsNaN", column, opset=_OPSET), g.constant(nan, dtype=bool), opset=_OPSET)
        matches = g.op("Or", matches, both, opset=_OPSET)
    counted = g.op("Cast", matches, to=TensorProto.INT32, opset=_OPSET)
    place = g.op("ArgMax", counted, axis=-1, keepdims=0, opset=_OPSET)
    most = g.op("ReduceMax", counted, axes=[-1], keepdims=0, opset=_OPSET)
    found = g.op("Cast", most, to=TensorProto.BOOL, opset=_OPSET)
    return g.op("Where", found, place, g.constant(len(keys)), opset=_OPSET)


def _gather(g: Writer, table: _Table, places: str, output: str) -> None:
    """The values at places; the place after the last has the default."""
    entries = np.append(table.values, np.array([table.default], dtype=table.values.dtype))
    g.op("Gather", g.constant(entries, dtype=entries.dtype), places, axis=0, output=output, opset=_OPSET)
