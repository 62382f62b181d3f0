"""Run models and nets, compare what they give, measure."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from validation.errors import ValidationError as ValidationError
    from validation.images import ImageFolder as ImageFolder
    from validation.images import load_images as load_images
    from validation.preprocess import preprocessing as preprocessing

# Public name -> module that holds it; loaded on first use, so that importing the room costs nothing.
_PUBLIC = {
    "ImageFolder": "validation.images",
    "ValidationError": "validation.errors",
    "load_images": "validation.images",
    "preprocessing": "validation.preprocess",
}

__all__ = [  # noqa: PLE0604
    *_PUBLIC,
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
