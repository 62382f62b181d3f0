"""DenseNet-121: the source net, its weights, and the rows that the zoo publishes."""
