"""The configuration: typed nodes with their limits, composed by Hydra, built into plugins."""
