"""Operators of ONNX that rules treat alike, by name."""

ARITHMETIC = ("Add", "Sub", "Mul", "Div")
"""Two operands, element by element."""

ORDERS = ("Less", "LessOrEqual", "Greater", "GreaterOrEqual")
"""Whether one operand comes before the other."""
