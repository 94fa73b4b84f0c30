"""Samplers choose the points of the search space, one module each."""
