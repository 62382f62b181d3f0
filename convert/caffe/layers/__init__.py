"""Translators of Caffe layers, by family."""
