import json
import os
from pathlib import Path

import pytest

from zoosmith.validation import ValidationError
from zoosmith.validation.caffe2 import environment


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache, PATH and home with nothing in them."""
    for name, value in (("ZOOSMITH_CACHE", "cache"), ("PATH", "bin"), ("HOME", "home"), ("PYENV_ROOT", "pyenv")):
        (tmp_path / value).mkdir()
        monkeypatch.setenv(name, str(tmp_path / value))
    return tmp_path


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


# enough of a Python 3.9: tells its version, makes "environments" that hold a copy of itself, "installs"
FAKE = """
case "$*" in
  *version_info*) echo "(3, 9)";;
  *"-m venv"*) for folder; do :; done; /bin/mkdir -p "$folder/bin" && /bin/cp "$0" "$folder/bin/python";;
  *"-m pip"*) {pip};;
  *) exit {load};;
esac
"""


def fake_python(path: Path, *, pip: str = "exit 0", load: int = 0) -> Path:
    return program(path, FAKE.format(pip=pip, load=load))


def test_a_python_on_path_is_used_only_if_it_starts_and_is_3_9(own_cache: Path):
    assert environment.find_python() is None
    program(own_cache / "bin/python3.9", "echo 'pyenv: python3.9: command not found' >&2; exit 127")
    assert environment.find_python() is None
    program(own_cache / "bin/python3.9", "echo '(3, 11)'")
    assert environment.find_python() is None
    python = fake_python(own_cache / "bin/python3.9")
    assert environment.find_python() == python


def test_pyenv_and_uv_are_asked_after_path(own_cache: Path):
    managed = fake_python(own_cache / "elsewhere/python3.9")
    program(own_cache / "bin/uv", f'[ "$*" = "python find 3.9" ] && echo {managed}')
    assert environment.find_python() == managed
    fake_python(own_cache / "pyenv/versions/3.9.2/bin/python3.9")
    newer = fake_python(own_cache / "pyenv/versions/3.9.18/bin/python3.9")
    assert environment.find_python() in (newer, own_cache / "pyenv/versions/3.9.2/bin/python3.9")
    broken = program(own_cache / "bin/python3.9", "exit 1")
    assert environment.find_python() != broken


def test_without_a_python_3_9_the_error_says_where_it_looked_and_what_to_do(own_cache: Path):
    with pytest.raises(ValidationError, match=r"no Python 3\.9 found on PATH, in pyenv or by uv.*install 3\.9"):
        environment.install()
    assert list((own_cache / "cache").iterdir()) == []


def test_an_environment_is_installed_once_and_found_again(own_cache: Path):
    fake_python(own_cache / "bin/python3.9")
    steps: list[str] = []
    python = environment.install(steps.append)
    assert python == own_cache / "cache/caffe2-torch-1.10.2/bin/python" == environment.find_environment()
    assert any("torch==1.10.2" in step for step in steps)
    again: list[str] = []
    assert environment.install(again.append) == python and again == []


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (
            {"pip": "echo noise; echo 'ERROR: No matching torch' >&2; exit 1"},
            "ERROR: No matching",
        ),
        ({"pip": "exit 1"}, "installing Caffe2 failed: no message"),
        ({"load": 3}, "loading Caffe2 failed"),
    ],
)
def test_a_step_that_fails_leaves_nothing_that_counts_as_installed(own_cache: Path, behaviour, words):
    fake_python(own_cache / "bin/python3.9", **behaviour)
    with pytest.raises(ValidationError, match=words) as caught:
        environment.install()
    assert "\n" not in str(caught.value)
    assert environment.find_environment() is None
    assert list((own_cache / "cache").iterdir()) == []


def test_a_half_made_or_older_environment_does_not_count_and_is_replaced(own_cache: Path):
    home = environment.location()
    fake_python(home / "bin/python")
    assert environment.find_environment() is None
    marker = home / "zoosmith-caffe2.json"
    for content in ("", "[", json.dumps(["torch==1.9"])):
        marker.write_text(content)
        assert environment.find_environment() is None
    (home / "leftover").touch()
    fake_python(own_cache / "bin/python3.9")
    environment.install()
    assert environment.find_environment() is not None and not (home / "leftover").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_is_named(own_cache: Path):
    fake_python(own_cache / "bin/python3.9")
    (own_cache / "cache").chmod(0o500)
    with pytest.raises(ValidationError, match="cannot be made"):
        environment.install()


def test_a_cache_that_is_a_file_is_named(own_cache: Path, monkeypatch: pytest.MonkeyPatch):
    fake_python(own_cache / "bin/python3.9")
    (own_cache / "file").touch()
    monkeypatch.setenv("ZOOSMITH_CACHE", str(own_cache / "file"))
    with pytest.raises(ValidationError, match="ZOOSMITH_CACHE"):
        environment.install()
