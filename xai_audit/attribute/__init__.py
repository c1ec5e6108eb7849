"""The hot loop: photos in, part files of predictions, heatmaps and scores out.

loader -> explain -> rows, scoring -> parts; ``parts`` is where it is put together.
"""
