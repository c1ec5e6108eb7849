"""``python -m xai_audit``."""

from xai_audit.cli import entry

if __name__ == "__main__":
    entry()
