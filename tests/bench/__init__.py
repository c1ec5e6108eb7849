"""Every measured number of this project, with its bound: ``python -m tests.bench [NAME ...]``."""
