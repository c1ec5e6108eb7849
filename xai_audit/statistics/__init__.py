"""Estimates, their 95 % intervals and their p-values, for every analysis; NumPy and SciPy only."""
