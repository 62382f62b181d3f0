"""Passes over an onnx-ir model, each an object that says whether it changed anything."""
