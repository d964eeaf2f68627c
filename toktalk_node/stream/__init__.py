"""One session is one speaker's stream: sound or tokens in, face frames out, on one clock."""

from toktalk_node.stream.session import Interruption, Session, SessionStats

__all__ = ["Interruption", "Session", "SessionStats"]
