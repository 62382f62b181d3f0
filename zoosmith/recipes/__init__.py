"""Recipes: what the zoo publishes of a model, and how to make it."""
