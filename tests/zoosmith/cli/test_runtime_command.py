import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from zoosmith.cli.runtime import runtime
from zoosmith.validation.runtimes import environment, location, runtime_for

WANTED = runtime_for("onnxruntime==1.6.0")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no Python to install anything with but 3.9."""
    monkeypatch.setenv("ZOOSMITH_CACHE", str(tmp_path))
    monkeypatch.setattr(environment, "find_python", lambda pythons: Path("/python3.9") if "3.9" in pythons else None)
    return tmp_path


def installed() -> Path:
    home = location(WANTED)
    (home / "bin").mkdir(parents=True)
    (home / "bin/python").touch()
    (home / "zoosmith-runtime.json").write_text(json.dumps(WANTED.pinned()))
    return home


def test_list_says_what_is_installed_what_can_be_and_what_it_needs():
    home = installed()
    result = CliRunner().invoke(runtime, ["list"])
    assert result.exit_code == 0
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in result.output.splitlines()}
    assert lines["onnxruntime==1.6.0"] == f"installed in {home}"
    assert lines["caffe2==1.10.2"] == "can be installed"
    assert lines["onnxruntime==1.4.0"] == "needs a Python 3.8 or 3.7 or 3.6"


def test_list_gives_the_same_as_json():
    home = installed()
    rows = json.loads(CliRunner().invoke(runtime, ["list", "--json"]).output)["result"]["runtimes"]
    found = {row["runtime"]: row for row in rows}
    assert found["onnxruntime==1.6.0"]["python"] == str(home / "bin/python")
    assert found["onnxruntime==1.4.0"] == {
        "runtime": "onnxruntime==1.4.0",
        "installed": False,
        "location": str(location(runtime_for("onnxruntime==1.4.0"))),
        "python": None,
        "pythons": ["3.8", "3.7", "3.6"],
        "installable": False,
    }


def test_install_that_is_there_already_says_where():
    home = installed()
    result = CliRunner().invoke(runtime, ["install", "onnxruntime==1.6"])
    assert result.exit_code == 0 and f"onnxruntime==1.6.0 is installed in {home}" in result.output


def test_a_name_that_is_not_known_installs_nothing():
    result = CliRunner().invoke(runtime, ["install", "onnxruntime==1.6", "tensorrt"])
    assert "no runtime of that name" in str(result.exception) and not location(WANTED).exists()


def test_remove_deletes_it_and_says_so():
    home = installed()
    result = CliRunner().invoke(runtime, ["remove", "onnxruntime==1.6.0", "onnxruntime==1.4"])
    assert result.output == "onnxruntime==1.6.0 is removed\nonnxruntime==1.4.0 was not installed\n"
    assert not home.exists()


def test_every_command_shows_an_example():
    for command in ("install", "list", "remove"):
        assert f"zoosmith runtime {command}" in CliRunner().invoke(runtime, [command, "--help"]).output
