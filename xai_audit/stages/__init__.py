"""The stages of an audit, one module each with ``run(audit)``; files in, files out."""
