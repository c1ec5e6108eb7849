"""Where parts are worked on, one file and one YAML each; an engine knows no stage."""
