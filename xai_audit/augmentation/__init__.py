"""One model on the same photos flipped, cropped, rotated, recoloured, blurred and noisy."""
