"""The build: rows of a recipe, or of a whole zoo, made, verified and packed."""
