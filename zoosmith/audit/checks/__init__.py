"""The checks, by what they look at: the bytes of a file, a model, an archive, a card, a manifest."""
