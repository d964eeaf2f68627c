"""Keys for an encrypted wire (CURVE, ZeroMQ RFC 26): who may speak with a bridge, and how both prove who they are.

Two JSON files, both secret, made by `toktalk keys`; every key is 40 characters of Z85 (ZeroMQ RFC 32):

    bridge.json     {"public", "secret", "clients": {name: public key}}    stays with the bridge
    <name>.json     {"public", "secret", "bridge": public key}             goes to one receiver, by a safe way

A bridge looks into its file at every new connection, so that receivers are added and removed while it runs.
"""

import os
import re
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import zmq

MAX_FILE = 1 << 20
Key = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-zA-Z.:+=^!/*?&<>()\[\]{}@%$#-]{40}$")]
NAME = r"[\w-]{1,64}"
Name = Annotated[str, msgspec.Meta(pattern=f"^{NAME}$")]


class BridgeKeys(msgspec.Struct, kw_only=True):
    """The bridge's pair, and the receivers that it lets in."""

    public: Key
    secret: Key
    clients: dict[Name, Key] = {}


class ClientKeys(msgspec.Struct, kw_only=True, frozen=True):
    """A receiver's pair, and the bridge that it trusts."""

    public: Key
    secret: Key
    bridge: Key

    def apply(self, socket: zmq.Socket) -> None:
        """Let `socket` prove itself and encrypt, before it connects."""
        socket.curve_publickey, socket.curve_secretkey = self.public.encode(), self.secret.encode()
        socket.curve_serverkey = self.bridge.encode()


K = TypeVar("K", BridgeKeys, ClientKeys)


def load(path: str | Path, kind: type[K]) -> K:
    """The keys in the file `path`; ValueError says what is wrong with it."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_FILE:
            raise ValueError(f"{path} is larger than {MAX_FILE} bytes: it is no file of keys")
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise ValueError(f"no keys in {path}: {error.strerror}; `toktalk keys` makes them") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        what = "a bridge" if kind is BridgeKeys else "a receiver"
        raise ValueError(f"{path} does not hold the keys of {what}: {error}; `toktalk keys` makes them") from error


def create_bridge(path: Path) -> BridgeKeys:
    """A new pair for a bridge, written to `path`; FileExistsError when there is a file."""
    public, secret = _pair()
    keys = BridgeKeys(public=public, secret=secret)
    _write(path, keys, new=True)
    return keys


def new_client(bridge: BridgeKeys) -> ClientKeys:
    """A new pair for a receiver of `bridge`, which does not know it yet."""
    public, secret = _pair()
    return ClientKeys(public=public, secret=secret, bridge=bridge.public)


def add_client(bridge: Path, name: str, out: Path) -> ClientKeys:
    """A new pair for the receiver `name`, written to `out` and let in by the bridge whose keys are in `bridge`."""
    keys = load(bridge, BridgeKeys)
    if not re.fullmatch(NAME, name):
        raise ValueError(f"{name!r} names no receiver: use 1 to 64 letters, digits, - and _")
    if name in keys.clients:
        raise ValueError(f"{bridge} already lets {name!r} in: remove it first, or choose another name")
    client = new_client(keys)
    keys.clients[name] = client.public
    _write(out, client, new=True)
    _write(bridge, keys)
    return client


def remove_client(bridge: Path, name: str) -> None:
    """Let the receiver `name` in no more."""
    keys = load(bridge, BridgeKeys)
    if keys.clients.pop(name, None) is None:
        raise ValueError(f"{bridge} lets no {name!r} in, only: {', '.join(keys.clients) or 'nobody'}")
    _write(bridge, keys)


def _pair() -> tuple[str, str]:
    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()


def _write(path: Path, keys: BridgeKeys | ClientKeys, *, new: bool = False) -> None:
    """Write for the owner's eyes only; a file that is replaced is so in one step."""
    data = msgspec.json.format(msgspec.json.encode(keys), indent=2) + b"\n"
    target = path if new else path.with_name(path.name + ".new")
    if not new:
        target.unlink(missing_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    if target != path:
        os.replace(target, path)
