"""The page that filters and sorts all photos, and its data; from tables, no torch."""
