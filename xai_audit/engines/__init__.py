"""Engines, which run the parts of a stage; one Python file and one YAML file each."""
