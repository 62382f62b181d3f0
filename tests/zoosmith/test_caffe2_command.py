import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from zoosmith.cli.caffe2 import caffe2
from zoosmith.validation.caffe2 import environment


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOOSMITH_CACHE", str(tmp_path))
    return tmp_path / "caffe2-torch-1.10.2"


def test_status_says_where_it_would_be_and_exits_1(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(environment, "_candidates", lambda: iter(()))
    result = CliRunner().invoke(caffe2, ["status"])
    assert result.exit_code == 1
    assert str(cache) in result.output and "no Python 3.9" in result.output
    result = CliRunner().invoke(caffe2, ["status", "--json"])
    assert json.loads(result.output) == {"installed": False, "location": str(cache), "python": None}


def test_status_finds_what_is_installed(cache: Path):
    (cache / "bin").mkdir(parents=True)
    (cache / "bin/python").touch()
    (cache / "zoosmith-caffe2.json").write_text(json.dumps(environment.REQUIREMENTS))
    result = CliRunner().invoke(caffe2, ["status"])
    assert (result.exit_code, result.output) == (0, f"installed: {cache}\n")
    result = CliRunner().invoke(caffe2, ["status", "--json"])
    assert json.loads(result.output)["python"] == str(cache / "bin/python")


def test_install_that_is_there_already_says_where(cache: Path):
    test_status_finds_what_is_installed(cache)
    result = CliRunner().invoke(caffe2, ["install"])
    assert result.exit_code == 0 and f"Caffe2 is installed in {cache}" in result.output


def test_every_command_shows_an_example():
    for command in ("install", "status"):
        assert f"zoosmith caffe2 {command}" in CliRunner().invoke(caffe2, [command, "--help"]).output
