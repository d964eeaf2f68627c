"""The encrypted wire: who holds a key is let in, nobody else, and what crosses the network cannot be read."""

import json
import logging
import socket
import threading
import time

import numpy as np
import pytest

from toktalk_node.bridge import keys
from toktalk_node.bridge.client import Client
from toktalk_node.bridge.server import Bridge
from toktalk_node.signals import Clock, FaceChunk

FACE = FaceChunk(np.full((2, 52), 0.5, np.float32), np.zeros((2, 3), np.float32), 50)


@pytest.fixture
def files(tmp_path):
    """(the bridge's file, the file of a receiver that it lets in)."""
    keys.create_bridge(tmp_path / "bridge.json")
    keys.add_client(tmp_path / "bridge.json", "tablet", tmp_path / "tablet.json")
    return tmp_path / "bridge.json", tmp_path / "tablet.json"


def first_message(bridge: Bridge, client: Client) -> object:
    for _ in range(100):
        bridge.publish_face(FACE, Clock(time.time_ns()))
        for _, message in client.messages(timeout=0.05):
            return message
    raise AssertionError("no message came")


def refused(bridge: Bridge) -> int:
    """Refused connections, once there is one."""
    end = time.monotonic() + 3
    while not bridge.stats.refused and time.monotonic() < end:
        time.sleep(0.01)
    return bridge.stats.refused


def test_a_receiver_with_a_key_gets_everything(files):
    with Bridge(pub_port=0, control_port=0, keys=files[0]) as bridge:
        with Client(bridge.control_endpoint, keys=files[1]) as client:
            assert first_message(bridge, client)
            assert client.ping() < 1.0
        assert bridge.stats.refused == 0


def test_receivers_in_the_bridges_own_process_need_no_file(files):
    with Bridge(pub_port=0, control_port=0, keys=files[0]) as bridge:
        with Client(bridge.control_endpoint, keys=bridge.local_keys) as client:
            assert first_message(bridge, client)
        assert bridge.local_keys.public not in files[0].read_text()


def test_a_plain_receiver_is_refused_counted_and_told_why(files):
    with Bridge(pub_port=0, control_port=0, keys=files[0]) as bridge:
        with pytest.raises(ConnectionError, match="does it ask for keys"):
            Client(bridge.control_endpoint, timeout=0.5)
        assert refused(bridge)
        assert bridge.stats.requests == 0


def test_a_receiver_with_keys_is_told_so_by_a_plain_bridge(files):
    with Bridge(pub_port=0, control_port=0) as bridge:
        with pytest.raises(ConnectionError, match="refuses the connection"):
            Client(bridge.control_endpoint, timeout=0.5, keys=files[1])
        assert refused(bridge)


def test_keys_come_and_go_while_the_bridge_runs(files, tmp_path):
    stranger = tmp_path / "stranger.json"
    with Bridge(pub_port=0, control_port=0, keys=files[0]) as bridge:
        keys.add_client(files[0], "stranger", stranger)
        Client(bridge.control_endpoint, keys=stranger).close()
        keys.remove_client(files[0], "stranger")
        with pytest.raises(ConnectionError, match="refuses the connection"):
            Client(bridge.control_endpoint, keys=stranger, timeout=0.5)
        assert refused(bridge)
        Client(bridge.control_endpoint, keys=files[1]).close()


def test_nothing_readable_crosses_the_network(files):
    """A relay between both sides keeps what it carries: with keys it holds no text of the hello, without it does."""
    for path, client_keys, readable in ((files[0], files[1], False), (None, None, True)):
        with Bridge(pub_port=0, control_port=0, keys=path) as bridge:
            carried, door = bytearray(), socket.create_server(("127.0.0.1", 0))

            def relay(door=door, port=bridge.control_port, carried=carried) -> None:
                inner = door.accept()[0], socket.create_connection(("127.0.0.1", port))

                def carry(a: socket.socket, b: socket.socket) -> None:
                    while data := a.recv(4096):
                        carried.extend(data)
                        b.sendall(data)
                    b.shutdown(socket.SHUT_WR)

                back = threading.Thread(target=carry, args=inner[::-1])
                back.start()
                carry(*inner)
                back.join()
                for end in inner:
                    end.close()

            thread = threading.Thread(target=relay)
            thread.start()
            Client(f"tcp://127.0.0.1:{door.getsockname()[1]}", keys=client_keys).close()
            thread.join()
            door.close()
            assert (b"jawOpen" in carried) is readable


def test_beyond_loopback_without_keys_is_warned_of(files, caplog):
    with caplog.at_level(logging.WARNING):
        Bridge("0.0.0.0", 0, 0, keys=files[0]).close()
        Bridge("127.0.0.1", 0, 0).close()
        assert not caplog.records
        Bridge("0.0.0.0", 0, 0).close()
    assert "without encryption" in caplog.text and "toktalk keys" in caplog.text


def test_files_are_for_their_owner_and_wrong_ones_are_named(files, tmp_path):
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600, 0o600]
    with pytest.raises(FileExistsError):
        keys.create_bridge(files[0])
    with pytest.raises(ValueError, match="already lets 'tablet' in"):
        keys.add_client(files[0], "tablet", tmp_path / "again.json")
    with pytest.raises(ValueError, match="only: tablet"):
        keys.remove_client(files[0], "phone")
    with pytest.raises(ValueError, match="does not hold the keys of a receiver"):
        keys.load(files[0], keys.ClientKeys)
    with pytest.raises(ValueError, match="No such file"):
        Bridge(pub_port=0, control_port=0, keys=tmp_path / "none.json")
    short = json.loads(files[1].read_text()) | {"secret": "short"}
    files[1].write_text(json.dumps(short))
    with pytest.raises(ValueError, match=r"\$\.secret"):
        Client("tcp://127.0.0.1:1", keys=files[1])
