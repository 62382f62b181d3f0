"""Passes over a float model that put it in a form with faster integer kernels."""
