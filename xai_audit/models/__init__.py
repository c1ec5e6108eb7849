"""Where a model comes from, how its weights get in, and how it is readied for the hot loop."""
