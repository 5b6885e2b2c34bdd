"""Blocks of a result become a file."""
