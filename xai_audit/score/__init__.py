"""Where the relevance of a heatmap lies: region masses and the scores of an image."""
