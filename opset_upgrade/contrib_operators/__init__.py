"""How operators of ONNX Runtime's own domain are expressed in standard ones, a module per family."""
