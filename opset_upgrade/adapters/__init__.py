"""Adapters: one function for one version step of an operator, a family of operators a module."""
