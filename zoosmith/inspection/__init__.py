"""What files are, what they hold, and how far their opset can be moved."""
