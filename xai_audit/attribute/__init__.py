"""The main pass: photos in, part files of predictions, heatmaps and scores out.

``explain`` turns batches of photos into heatmaps; ``parts`` puts loading, explaining and scoring
together.
"""
