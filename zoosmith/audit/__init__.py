"""The audit of a zoo's files: what they say of themselves, what is said of them, and what they compute."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
