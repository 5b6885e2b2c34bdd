"""Filters at scales: what the forest sees of a pixel."""
