"""The integer forms of operators, by family. Each is standard ONNX: QLinearConv, or the operator on uint8."""
