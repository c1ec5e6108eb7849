"""Model plugins: torchvision, timm, the user's own code; checkpoints and eval transforms."""
