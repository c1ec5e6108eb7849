"""Mask sources: where the object is in a photo; one file and one YAML each."""
