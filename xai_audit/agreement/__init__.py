"""Agreement of attribution methods on the place of relevance, by image and by class."""
