"""A run on disk: its file names, atomic files, tables, record and reader; never imports torch."""
