"""Which classes the model confuses most, and how their photos differ."""
