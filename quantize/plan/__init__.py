"""Which nodes become integer: by what they cost in time, and what their rounding costs the outputs."""
