"""Demo data: rendered flower photographs with exact masks and three measured shortcuts.

`render.render_photo` draws one photo, `generate.generate` writes the test set, `net.flower_net` is
the small classifier, `train` made its weights, `truth` measures what that classifier relies on.
"""
