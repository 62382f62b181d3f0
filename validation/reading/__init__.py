"""Files that a model is given, read with care: arrays, data sets, archives, images."""
