"""How often classifiers are right on folders of images."""
