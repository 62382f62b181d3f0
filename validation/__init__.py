"""Run models and nets, compare what they give, measure."""

import os

import lazy_loader

# ONNX Runtime would write files into the user's cache and send events; it reads this when it is imported, here or in a
# process that inherits it
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
