"""Offline work: training the tokenizer and the motion model."""
