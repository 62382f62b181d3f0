"""Running long work and reporting its progress: executors, calls in a process of their own, progress."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
