"""Flags: photos that are unusual for their class, with the reason."""
