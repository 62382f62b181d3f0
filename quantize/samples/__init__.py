"""What a net is calibrated on: samples that are read, made up, known again, and held against the training data."""
