"""The one import name: rooms are linked below zoosmith/, and what they publish loads on first use."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import zoosmith

PACKAGE = Path(zoosmith.__file__).parent
ROOMS = sorted(p.parent.name for p in PACKAGE.glob("*/__init__.pyi"))


def test_the_rooms_are_there() -> None:
    assert {"convert", "onnx_model", "opset_upgrade", "quantize", "validation"} <= set(ROOMS)


@pytest.mark.parametrize("name", ["zoosmith", *(f"zoosmith.{room}" for room in ROOMS)])
def test_every_public_name_loads_and_is_listed(name: str) -> None:
    room = import_module(name)
    assert room.__all__
    assert set(room.__all__) <= set(dir(room))
    for public in room.__all__:
        assert getattr(room, public) is not None


@pytest.mark.parametrize("name", [f"zoosmith.{room}" for room in ROOMS])
def test_every_exception_that_is_published_has_the_one_base_of_ours(name: str) -> None:
    room = import_module(name)
    published = [getattr(room, public) for public in room.__all__]
    errors = [each for each in published if isinstance(each, type) and issubclass(each, Exception)]
    assert all(issubclass(error, zoosmith.ZoosmithError) for error in errors)
    assert all(error.__name__.endswith("Error") for error in errors)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        zoosmith.no_such_name  # type: ignore[attr-defined]  # noqa: B018


def test_a_convert_py_in_the_working_folder_is_not_imported(tmp_path: Path) -> None:
    for room in ROOMS:
        (tmp_path / f"{room}.py").write_text("raise SystemExit('the working folder was imported')\n")
    code = f"from zoosmith import {', '.join(ROOMS)}\nfrom zoosmith.convert import caffe2_to_onnx\n"
    script = tmp_path / "script.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_the_command_line_loads_neither_onnx_nor_numpy() -> None:
    code = "import sys, zoosmith.cli; print(*sorted({'numpy', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
