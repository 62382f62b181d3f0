"""Where the rules of an operator stand."""

from collections import defaultdict
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from pkgutil import iter_modules

import pytest

from zoosmith.onnx_model.registry import Registry
from zoosmith.opset_upgrade import operators, registry
from zoosmith.opset_upgrade.schemas import history

NAMES = ("ADAPTERS", "DECOMPOSITIONS", "TYPE_FALLBACKS")
MODULES = [module.name for module in iter_modules(operators.__path__, f"{operators.__name__}.")]


def registered_by(name: str, monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, object]]:
    """Registry and key of every rule that one module registers."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    fresh: dict[str, Registry] = {each: Registry(operators.__name__, each) for each in NAMES}
    with monkeypatch.context() as patched:
        for each, empty in fresh.items():
            patched.setattr(registry, each, empty)
        spec.loader.exec_module(module_from_spec(spec))
    return {(each, key) for each, found in fresh.items() for key in found._entries}


def operator_of(key: object) -> str:
    return str(key[0]) if isinstance(key, tuple) else str(key)


def test_all_rules_of_an_operator_are_in_one_module(monkeypatch: pytest.MonkeyPatch) -> None:
    modules: dict[str, set[str]] = defaultdict(set)
    rules: set[tuple[str, object]] = set()
    for name in MODULES:
        found = registered_by(name, monkeypatch)
        assert found, f"{name} registers nothing"
        rules |= found
        for _, key in found:
            modules[operator_of(key)].add(name)
    assert rules == {(each, key) for each in NAMES for key in getattr(registry, each)}
    scattered = {operator: sorted(names) for operator, names in modules.items() if len(names) > 1}
    assert not scattered, f"{len(scattered)} of {len(modules)} operators have rules in several modules"


@pytest.mark.parametrize("name", MODULES)
def test_a_module_names_every_operator_that_it_has_rules_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    head = Path(spec.origin).read_text(encoding="utf-8").split('"""')[1]
    for _, key in registered_by(name, monkeypatch):
        assert (
            operator_of(key).rpartition(".")[2]
            in head.replace(",", " ").replace(".", " ").replace(":", " ").replace(";", " ").split()
        )


def test_every_rule_is_of_an_operator_and_a_step_that_exist() -> None:
    for operator, source, target in registry.ADAPTERS:
        versions = [schema.since_version for schema in history()[operator]]
        assert abs(versions.index(source) - versions.index(target)) == 1
    for operator in (*registry.DECOMPOSITIONS, *registry.TYPE_FALLBACKS):
        assert operator in history()


def test_a_second_rule_for_one_step_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="two adapters are registered for"):
        registry.adapter("Softmax", source=13, target=11)(lambda node, g: None)
