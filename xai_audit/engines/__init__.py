"""Where the work of a run happens, one file and one YAML each."""
