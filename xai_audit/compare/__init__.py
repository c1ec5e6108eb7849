"""Two audits compared: cell by cell, photo by photo, from their tables alone."""
