"""Files that are damaged or hostile, made by code, and every command that reads a file of their kind."""
