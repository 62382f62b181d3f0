"""Run a model, here: in ONNX Runtime or the reference evaluator, within a time, and measure it."""
