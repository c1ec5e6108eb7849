"""The smallest changes of a photo that flip a decision, and where they put their energy."""
