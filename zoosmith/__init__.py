"""The toolkit's command line, recipes, build and archives."""

from typing import Any

__version__ = "0.1.0"


def _stub() -> tuple[Any, Any, list[str]]:
    # imported for the first name only: the command line starts without it, so that an interrupt finds `main` early
    import lazy_loader

    return lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    find, _, names = _stub()
    return names if name == "__all__" else find(name)


def __dir__() -> list[str]:
    return _stub()[2]
