"""The stages of the report: gallery draws pictures, page writes HTML; neither imports torch."""
