"""Who may import whom: the table of docs/architecture.md, held for every module.

Imports inside functions and below TYPE_CHECKING count as well. A linter with lists of what is forbidden would let a new
room or library through; here is listed what is allowed.
"""

import ast
import graphlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import zoosmith

PACKAGE = Path(zoosmith.__file__).parent

# Room -> rooms and libraries that it may import beside itself and the standard library.
ALLOWED = {
    "onnx_model": {"numpy", "onnx", "google.protobuf"},
    "execution": {"zoosmith.onnx_model", "dask", "distributed"},
    "convert": {"zoosmith.onnx_model", "numpy", "onnx", "google.protobuf"},
    "opset_upgrade": {"zoosmith.onnx_model", "numpy", "onnx"},
    "optimize": {"zoosmith.onnx_model", "numpy", "onnx", "onnx_ir", "onnxsim"},
    "validation": {
        "zoosmith.onnx_model",
        "zoosmith.execution",
        "zoosmith.convert",
        "numpy",
        "onnx",
        "google.protobuf",
        "onnxruntime",
        "isal",
        "ml_dtypes",
        "PIL",
        "platformdirs",
    },
    "quantize": {
        "zoosmith.onnx_model",
        "zoosmith.execution",
        "zoosmith.optimize",
        "zoosmith.validation",
        "ml_dtypes",
        "networkx",
        "numpy",
        "onnx",
        "onnx_ir",
        "PIL",
    },
}
# What reads and writes nets: all of `convert` that the room which proves it may use.
READER_OF_NETS = ("errors", "nets", "parameters", "proto", "proto.caffe2_pb2")
READER_NAMES = {"ConvertError", "NetSource", "read_net", "read_parameters", "write_net"}
# The backends run in the Pythons of other runtimes, in which nothing of ours is installed.
FOREIGN = {"caffe2", "cv2", "openvino"}

ROOMS = sorted(path.name for path in PACKAGE.iterdir() if path.is_symlink() or path.name in ALLOWED)


def _modules(room: str) -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py"))


def _imports(path: Path) -> Iterator[tuple[str, str | None]]:
    """Each import of a module: what it imports from, and the name (None for a whole module)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: relative import"
            for alias in node.names:
                if node.module == "zoosmith":
                    yield f"zoosmith.{alias.name}", None
                else:
                    yield node.module, alias.name


def _within(module: str, allowed: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def test_every_linked_folder_has_its_line_in_the_table() -> None:
    assert set(ROOMS) <= set(ALLOWED)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_the_table_allows(room: str) -> None:
    allowed = {f"zoosmith.{room}", "lazy_loader"} | ALLOWED[room]
    if room == "validation":
        allowed |= FOREIGN
    wrong = [
        f"{path.relative_to(PACKAGE)}: {module}"
        for path in _modules(room)
        for module, _ in _imports(path)
        if module.split(".")[0] not in sys.stdlib_module_names and not _within(module, allowed)
    ]
    assert wrong == []


def test_validation_uses_the_reader_of_nets_and_nothing_else_of_convert() -> None:
    reader = {f"zoosmith.convert.{module}" for module in READER_OF_NETS}
    wrong = [
        f"{path.relative_to(PACKAGE)}: {module} {name or ''}"
        for path in _modules("validation")
        for module, name in _imports(path)
        if _within(module, {"zoosmith.convert"})
        and module not in reader
        and not (module == "zoosmith.convert" and name in READER_NAMES)
    ]
    assert wrong == []


def test_no_module_of_a_room_loads_the_command_line() -> None:
    own = {f"zoosmith.{path.stem}" for path in PACKAGE.iterdir() if path.name not in ROOMS and path.name[0] != "_"}
    wrong = [
        f"{path.relative_to(PACKAGE)}: {module}"
        for room in ROOMS
        for path in _modules(room)
        for module, _ in _imports(path)
        if _within(module, own)
    ]
    assert own and wrong == []


@pytest.mark.parametrize("room", [*ROOMS, "zoosmith"])
def test_no_cycle_of_imports_runs_through_the_folders_of_a_room(room: str) -> None:
    """Modules that stand in no folder are left out: the folders share them."""
    place, prefix = (PACKAGE, "zoosmith.") if room == "zoosmith" else (PACKAGE / room, f"zoosmith.{room}.")
    arrows: dict[str, set[str]] = {}
    for folder in sorted(path for path in place.iterdir() if path.is_dir() and not path.is_symlink()):
        modules = (module for path in folder.rglob("*.py") for module, _ in _imports(path))
        within = {module.removeprefix(prefix).split(".")[0] for module in modules if module.startswith(prefix)}
        arrows[folder.name] = within - {folder.name}
    folders = {name: imported & arrows.keys() for name, imported in arrows.items()}
    tuple(graphlib.TopologicalSorter(folders).static_order())  # raises CycleError, which names the folders
