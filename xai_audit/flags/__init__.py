"""Flags: photos that stand out of their own class, and why."""
