"""A registry finds what modules of its package register, each key once."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoosmith.onnx_model.registry import Registry

REGISTERING = """from zoosmith_test_rules import rules
rules.add("{0}", "{0} of {1}")
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "zoosmith_test_rules"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text(
        "from zoosmith.onnx_model.registry import Registry\nrules = Registry(__name__, 'rule')\n"
    )
    (folder / "inner" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.startswith("zoosmith_test_rules")]:
        del sys.modules[name]


def registry() -> Registry[str, str]:
    import zoosmith_test_rules  # type: ignore[import-not-found]

    found: Registry[str, str] = zoosmith_test_rules.rules
    return found


def test_modules_of_the_package_and_below_register_when_first_asked(package: Path) -> None:
    (package / "first.py").write_text(REGISTERING.format("Relu", "first"))
    (package / "inner" / "second.py").write_text(REGISTERING.format("Conv", "second"))
    rules = registry()
    assert "zoosmith_test_rules.first" not in sys.modules
    assert rules.find("Relu") == "Relu of first"
    assert rules.find("Gemm") is None
    assert "Conv" in rules
    assert list(rules) == ["Relu", "Conv"]


def test_a_key_that_is_registered_twice_is_an_error(package: Path) -> None:
    (package / "first.py").write_text(REGISTERING.format("Relu", "first"))
    (package / "second.py").write_text(REGISTERING.format("Relu", "second"))
    with pytest.raises(RuntimeError, match="two rules are registered for 'Relu'"):
        registry().entries()
