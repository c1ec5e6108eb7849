"""Scores of a heatmap: relevance by region, rank accuracy, pointing, entropy."""
