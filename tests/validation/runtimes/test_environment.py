import json
import os
from pathlib import Path

import pytest

from zoosmith.validation import ValidationError
from zoosmith.validation.runtimes import PinnedRuntime, environment, runtime_for

RUNTIME = runtime_for("onnxruntime==1.6.0")
NEWEST = RUNTIME.pythons[0]


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


# enough of a Python: tells its version, makes "environments" that hold a copy of itself, "installs"
FAKE = """
case "$*" in
  *version_info*) echo "{version}";;
  *"-m venv"*) for folder; do :; done; /bin/mkdir -p "$folder/bin" && /bin/cp "$0" "$folder/bin/python";;
  *"-m pip"*) echo "$*" >> {log}; {pip};;
  *) exit {load};;
esac
"""


def fake_python(path: Path, *, version: str = NEWEST, pip: str = "exit 0", load: int = 0) -> Path:
    return program(path, FAKE.format(version=version, pip=pip, load=load, log=path.with_name("pip.log")))


def in_cache(own_cache: Path) -> list[Path]:
    folder = own_cache / "cache/runtimes"
    return list(folder.iterdir()) if folder.exists() else []


def test_a_python_on_path_is_used_only_if_it_starts_and_is_of_that_version(own_cache: Path):
    assert environment.base_python(RUNTIME) is None
    program(own_cache / f"bin/python{NEWEST}", "echo 'pyenv: command not found' >&2; exit 127")
    assert environment.base_python(RUNTIME) is None
    fake_python(own_cache / f"bin/python{NEWEST}", version="3.11")
    assert environment.base_python(RUNTIME) is None
    python = fake_python(own_cache / f"bin/python{NEWEST}")
    assert environment.base_python(RUNTIME) == python


def test_an_older_python_serves_where_the_first_choice_is_absent(own_cache: Path):
    older = fake_python(own_cache / "bin/python3.7", version="3.7")
    assert environment.base_python(RUNTIME) == older


def test_pyenv_and_uv_are_asked_after_path_and_the_newest_patch_is_taken(own_cache: Path):
    managed = fake_python(own_cache / f"elsewhere/python{NEWEST}")
    program(own_cache / "bin/uv", f'[ "$*" = "python find {NEWEST}" ] && echo {managed}')
    assert environment.base_python(RUNTIME) == managed
    fake_python(own_cache / f"pyenv/versions/{NEWEST}.9/bin/python{NEWEST}")
    newer = fake_python(own_cache / f"pyenv/versions/{NEWEST}.18/bin/python{NEWEST}")
    assert environment.base_python(RUNTIME) == newer


def test_without_a_fitting_python_the_error_says_where_it_looked_and_what_to_do(own_cache: Path):
    with pytest.raises(ValidationError, match=r"no Python 3\.8, 3\.7 or 3\.6 found on PATH, in pyenv or by uv.*3\.8"):
        environment.install(RUNTIME)
    assert in_cache(own_cache) == []


def test_an_environment_is_installed_once_and_found_again(own_cache: Path):
    fake_python(own_cache / f"bin/python{NEWEST}")
    steps: list[str] = []
    python = environment.install(RUNTIME, steps.append)
    assert python == own_cache / "cache/runtimes/onnxruntime-1.6.0/bin/python" == environment.find_environment(RUNTIME)
    assert any("onnxruntime==1.6.0" in step for step in steps)
    again: list[str] = []
    assert environment.install(RUNTIME, again.append) == python and again == []


def test_only_wheels_with_known_hashes_are_installed_and_nothing_they_ask_for(own_cache: Path):
    fake_python(own_cache / f"bin/python{NEWEST}", pip=f"for f; do :; done; /bin/cp $f {own_cache}/asked")
    environment.install(RUNTIME)
    folder = own_cache / "cache/runtimes/onnxruntime-1.6.0"
    asked = (own_cache / "asked").read_text().splitlines()
    assert asked == RUNTIME.pinned() and all("--hash=sha256:" in line for line in asked)
    # the log lies beside the Python that wrote it
    words = next(own_cache.rglob("pip.log")).read_text().split()
    assert {"--require-hashes", "--no-deps", "--only-binary", ":all:"} < set(words)
    assert (folder / "requirements.txt").read_text().splitlines() == asked


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"pip": "echo noise; echo 'ERROR: No matching wheel' >&2; exit 1"}, "installing failed: ERROR: No matching"),
        ({"pip": "exit 1"}, "installing failed: no message"),
        ({"load": 3}, "loading it failed"),
    ],
)
def test_a_step_that_fails_leaves_nothing_behind(own_cache: Path, behaviour, words):
    fake_python(own_cache / f"bin/python{NEWEST}", **behaviour)
    with pytest.raises(ValidationError, match=words) as caught:
        environment.install(RUNTIME)
    assert "\n" not in str(caught.value)
    assert environment.find_environment(RUNTIME) is None
    assert in_cache(own_cache) == []


def test_an_environment_half_made_or_of_other_wheels_does_not_count_and_is_replaced(own_cache: Path):
    home = environment.location(RUNTIME)
    fake_python(home / "bin/python")
    assert environment.find_environment(RUNTIME) is None
    marker = home / "zoosmith-runtime.json"
    for content in ("", "[", json.dumps(["onnxruntime==1.6.0"])):
        marker.write_text(content)
        assert environment.find_environment(RUNTIME) is None
    (home / "leftover").touch()
    fake_python(own_cache / f"bin/python{NEWEST}")
    environment.install(RUNTIME)
    assert environment.find_environment(RUNTIME) is not None and not (home / "leftover").exists()


def test_two_runtimes_live_side_by_side_and_one_is_removed(own_cache: Path):
    other = runtime_for("onnxruntime==1.4")
    fake_python(own_cache / f"bin/python{NEWEST}")
    for runtime in (RUNTIME, other):
        environment.install(runtime)
    assert environment.remove(other) and not environment.remove(other)
    assert environment.find_environment(other) is None and environment.find_environment(RUNTIME) is not None
    assert [path.name for path in in_cache(own_cache)] == ["onnxruntime-1.6.0"]


def test_a_runtime_that_is_not_installed_is_named_with_the_command_that_installs_it():
    with pytest.raises(ValidationError, match=r"`zoosmith runtime install onnxruntime==1\.6\.0` makes its environment"):
        environment.installed_python(RUNTIME)


def test_every_runtime_has_a_check_that_loads_it():
    from zoosmith.validation.runtimes import supported

    assert {runtime.name for runtime in supported()} == set(environment._CHECKS)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_is_named(own_cache: Path):
    fake_python(own_cache / f"bin/python{NEWEST}")
    (own_cache / "cache").chmod(0o500)
    with pytest.raises(ValidationError, match="cannot be made"):
        environment.install(RUNTIME)


def test_a_cache_that_is_a_file_is_named(own_cache: Path, monkeypatch: pytest.MonkeyPatch):
    fake_python(own_cache / f"bin/python{NEWEST}")
    (own_cache / "file").touch()
    monkeypatch.setenv("ZOOSMITH_CACHE", str(own_cache / "file"))
    with pytest.raises(ValidationError, match="ZOOSMITH_CACHE"):
        environment.install(RUNTIME)


def test_a_runtime_is_written_as_its_name_and_version():
    assert str(PinnedRuntime("a", "1.2", (), ())) == "a==1.2"
