"""A run as a notebook shows it: its answer, photos under their heatmaps, the proof of a cell."""
