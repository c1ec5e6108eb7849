"""The index stage: an image folder becomes the manifest, every file once with its status."""
