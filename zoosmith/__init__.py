"""The toolkit's command line, recipes, build and archives."""

__version__ = "0.1.0"
