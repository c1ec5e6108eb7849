"""SpRAy: the strategies that a class's heatmaps fall into (Lapuschkin et al. 2019)."""
