"""Receivers of the face: the ZeroMQ wire, its server and client, and the viewer in the browser."""
