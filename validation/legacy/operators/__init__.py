"""The families of old ONNX operators, one module each; all modules here are found by scanning this folder."""
