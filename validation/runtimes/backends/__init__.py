"""What runs in a foreign Python, one file for each kind of runtime; `worker.py` reads them by path.

A file holds a class `Backend` with the methods `versions()`, `load(path, inputs, outputs)`, `run(model, feeds)` and
`unload(model)`. Python 3.6, numpy and the runtime are all that they may need.
"""
