"""Translators of Caffe2's operators, a module for each family."""
