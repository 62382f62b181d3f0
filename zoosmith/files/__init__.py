"""What a command does with files: they are read, handed to a room, verified, and written once."""
