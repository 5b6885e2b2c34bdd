"""The .ilp file."""
