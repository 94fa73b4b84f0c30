"""Promotion rules choose the trials that continue at the next rung, one module each."""
