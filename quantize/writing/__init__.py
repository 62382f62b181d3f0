"""What writes nodes and weights of fewer bits into a model."""
