"""Where UDP packets go: HOST, HOST:PORT or [IPV6]:PORT, as users write it."""

import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Address:
    """Where packets go: an IPv4 or IPv6 `host` that was resolved, and a UDP `port`."""

    host: str
    port: int
    family: int = socket.AF_INET

    @classmethod
    def parse(cls, text: str, port: int, option: str = "--to") -> "Address":
        """`HOST`, `HOST:PORT` or `[IPV6]:PORT`; `port` where none is given.

        Raises ValueError, naming `option`, for a port that is none and a host that does not resolve.
        """
        host, given = text.strip(), ""
        if host.startswith("["):
            host, _, given = host[1:].partition("]")
            given = given.removeprefix(":")
        elif host.count(":") == 1:
            host, _, given = host.partition(":")
            if not given:
                raise ValueError(f"{option} is {text!r}: a port from 1 to 65535 is missing after the colon")
        if given:
            if not (given.isascii() and given.isdigit() and 1 <= int(given) <= 65535):
                raise ValueError(f"{option} is {text!r}: the port is {given!r}, use a number from 1 to 65535")
            port = int(given)
        if not host:
            raise ValueError(f"{option} is {text!r}: use HOST or HOST:PORT")
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ValueError(f"{option} is {text!r}: no host {host!r} ({reason}); use its IP address") from error
        family, _, _, _, place = min(found, key=lambda each: each[0] != socket.AF_INET)  # receivers know IPv4 at least
        return cls(place[0], port, family)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
