"""TokTalk: speech in, a living face out, in real time."""

__version__ = "0.1.0"
