"""What a build found: every file, and every check with its figure and its limit."""
