"""Are the maps to be trusted? What a method's maps owe to the weights, and what they foretell.

randomise -> do they change with the weights?   curves, road, infidelity -> do they say what
matters?   stability -> are they the same for a photo that looks the same?
``measure`` is where it is put together.
"""
