"""The main pass: photos in, part files of predictions, heatmaps and scores out.

``groups`` says which methods share a pass; ``explain`` turns batches of photos into heatmaps;
``passes`` puts loading, explaining and scoring together.
"""
