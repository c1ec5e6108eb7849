"""Plots of the report, drawn by matplotlib from the tables alone."""
