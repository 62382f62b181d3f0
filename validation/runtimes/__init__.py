"""Runtimes other than the installed ONNX Runtime: what they load, their environments, and models run in them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
