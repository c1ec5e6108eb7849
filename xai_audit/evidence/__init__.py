"""The three questions about every class and cue, and the verdict that joins them."""
