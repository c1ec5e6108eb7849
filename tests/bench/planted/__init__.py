"""Shortcuts planted in twin classes, their truth measured on the model itself."""
