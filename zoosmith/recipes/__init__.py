"""Recipes: what a build needs to know of a model, as values; and what the zoo published."""
