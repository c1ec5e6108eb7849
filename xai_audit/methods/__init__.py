"""Attribution methods, one file and one YAML each."""
