"""Dataset plugins: folders, tables and known data sets of photos."""
