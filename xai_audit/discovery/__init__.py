"""SpRAy: clusters of a class's heatmaps, called strategies (Lapuschkin et al. 2019)."""
