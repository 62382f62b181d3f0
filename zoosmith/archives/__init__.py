"""Archives of the zoo: packed, and run to see that they give what they hold."""
