"""Cues, i.e. candidate shortcuts: the region, content and transplant of each."""
