"""Measuring: lip figures, alignment, peers."""
