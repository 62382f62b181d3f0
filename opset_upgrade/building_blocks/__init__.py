"""Functions that the rules of several operators share. Nothing is registered here."""
