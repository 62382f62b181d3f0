"""What a model is run on: sizes and random values that it accepts, or values from a file."""
