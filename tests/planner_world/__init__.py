"""A toy world with one of everything that the planner must be able to say, far from recruiting's real tables."""
