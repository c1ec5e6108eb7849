"""Photos as the model sees them: opened, decoded, resized and cropped once, for every reader."""
