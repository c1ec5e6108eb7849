"""Rules that a finished audit has to hold to, and what of them holds; from its tables alone."""
