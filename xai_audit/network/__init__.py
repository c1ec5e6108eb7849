"""A frozen network ready for the hot loop: prepared, folded, fed, and what its logits mean."""
