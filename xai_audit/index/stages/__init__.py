"""The stage that makes masks of photos, where none are given."""
