"""`zoo.toml`: the models of a zoo, each with what `zoosmith build` takes of one. docs/card.md describes it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoosmith.onnx_model.errors import ModelError, ZoosmithError
from zoosmith.onnx_model.ports import element_type
from zoosmith.recipes.build_options import BuildOptions
from zoosmith.recipes.card_file import read_toml
from zoosmith.recipes.choice import Choice
from zoosmith.validation.inputs.random_values import InputShape
from zoosmith.validation.inputs.source import InputSource
from zoosmith.validation.runtimes.targets import target_for

_FILES = ("net", "model", "weights", "value-info", "card", "feed", "calibrate", "data", "labels")
_TEXTS = ("rows", "name", "reference", "dataset", "for")
_NUMBERS = ("sets", "seed")
_OTHERS = ("force", "input", "dim")
_KEYS = (*_FILES, *_TEXTS, *_NUMBERS, *_OTHERS)


@dataclass(frozen=True)
class Entry:
    """One model of a zoo.

    Attributes:
        choice: the model.
        options: of its build.
    """

    choice: Choice
    options: BuildOptions

    @property
    def files(self) -> dict[str, Path]:
        """The files and folders that it is made of, by option."""
        choice, options = self.choice, self.options
        given = {
            "net": choice.net,
            "model": choice.model,
            "value-info": choice.value_info,
            "card": choice.card,
            "feed": choice.inputs.feed,
            "weights": options.weights,
            "calibrate": options.calibrate,
            "data": options.data,
            "labels": options.labels,
        }
        return {name: path for name, path in given.items() if path is not None}


def read_zoo(path: Path) -> list[Entry]:
    """Read a zoo file.

    Args:
        path: of the file; paths in it are relative to its folder.

    Returns:
        Its entries, in order.

    Raises:
        ZoosmithError: it cannot be read, is no TOML, has no entry, or an entry has a key or value that `build` does not
            take.
    """
    content = read_toml(path, "a zoo")
    entries = content.pop("model", None)
    if content or not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        odd = f", found {next(iter(content))!r}" if content else ""
        raise ZoosmithError(f"{path}: expected tables [[model]] and nothing else{odd}")
    if not entries:
        raise ZoosmithError(f"{path}: expected at least one [[model]], found none")
    return [_entry(entry, path, f"{path}: model {number}") for number, entry in enumerate(entries, 1)]


def _entry(table: dict[str, Any], path: Path, origin: str) -> Entry:
    for key, value in table.items():
        if key not in _KEYS:
            raise ZoosmithError(f"{origin}: unknown key {key!r}; the keys are {', '.join(_KEYS)}")
        wanted = str if key in (*_FILES, *_TEXTS) else int if key in _NUMBERS else bool if key == "force" else dict
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            names = {str: "a text", int: "a number", bool: "true or false", dict: "a table"}
            raise ZoosmithError(f"{origin}: {key} = {value!r}: expected {names[wanted]}")
    files = {key: path.parent / table[key] for key in _FILES if key in table}
    missing = [key for key, file in files.items() if not file.exists()]
    if missing:
        raise ZoosmithError(f"{origin}: {missing[0]} = {table[missing[0]]!r}: does not exist")
    inputs = InputSource(
        seed=table.get("seed", 0),
        dims=_dims(table.get("dim", {}), origin),
        shapes={name: _shape(value, f"{origin}: input {name!r}") for name, value in table.get("input", {}).items()},
        feed=files.get("feed"),
    )
    options = {key: table[key] for key in ("rows", "reference", "dataset", "sets", "seed", "force") if key in table}
    paths = {key: files[key] for key in ("weights", "calibrate", "data", "labels") if key in files}
    try:
        runtime = target_for(table["for"]) if "for" in table else None
        chosen = BuildOptions(runtime=runtime, **options, **paths)
        choice = Choice(
            net=files.get("net"),
            model=files.get("model"),
            value_info=files.get("value-info"),
            inputs=inputs,
            name=table.get("name"),
            card=files.get("card"),
        )
    except ZoosmithError as error:
        raise ZoosmithError(f"{origin}: {error}") from error
    return Entry(choice, chosen)


def _dims(table: dict[str, Any], origin: str) -> dict[str, int]:
    for name, size in table.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise ZoosmithError(f"{origin}: dim {name!r} = {size!r}: expected a size")
    return table


def _shape(value: Any, origin: str) -> InputShape:
    """Read `[1, 3, "H", "W"]` or `{type = "int64", shape = [1, "N"]}`."""
    kind, sizes = (value.get("type"), value.get("shape")) if isinstance(value, dict) else (None, value)
    if not isinstance(sizes, list) or not all(type(size) in (int, str) for size in sizes):
        raise ZoosmithError(f"{origin}: {value!r}: expected sizes, as in [1, 3, 224, 224]")
    if kind is None:
        return InputShape(tuple(sizes))
    try:
        return InputShape(tuple(sizes), element_type(str(kind)))
    except ModelError as error:
        raise ZoosmithError(f"{origin}: {error}") from error
