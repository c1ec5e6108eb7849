"""Which classes the model confuses most, and what sets their photos apart."""
