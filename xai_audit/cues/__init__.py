"""Candidate shortcuts: each says where it is, what it holds and how one photo gets another's."""
