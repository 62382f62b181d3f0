"""Loads a module of `benchmarks/`, which is no package of the installation."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def benchmark_module(name: str) -> ModuleType:
    """Import `benchmarks/<name>.py` from the checkout."""
    path = Path(__file__).parents[1] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
