"""How stages run: plan, work and merge, parts, progress and stop."""
