"""The tests. The folders below need no such file; this one keeps every other ``tests`` away."""
