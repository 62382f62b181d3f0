"""Model cards, as the zoo writes them."""
