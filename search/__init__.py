"""The search: a study file in, a finished Hyperband search and its best configuration out."""
