"""Sanity checks and faithfulness of attribution maps.

randomise -> do maps change with the weights?   curves, road, infidelity -> do they show what
changes the score?   stability -> do they stay the same under tiny noise?
``measure`` puts these together.
"""
