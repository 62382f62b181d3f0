"""Run the original and what was made of it on the same inputs, compare, and keep what was found as a proof."""
