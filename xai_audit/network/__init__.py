"""The frozen network: preparing it, its target layer, its inputs, and what its logits mean."""
