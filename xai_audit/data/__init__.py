"""Where photos come from and how they become pixels: datasets, headers, decoding, geometry."""
