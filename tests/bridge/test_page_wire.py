"""The page's side of the wire in a real browser (Debian package chromium): golden vectors, and a server of nonsense."""

import asyncio
import base64
import json
import random
import time
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import web

from tests.bridge.chromium import binary, open_page
from tests.bridge.pages import RATE, WATCH, page_of, site, steady
from toktalk_node.bridge import protocol
from toktalk_node.bridge.web import FILES, WebViewer
from toktalk_node.face.arkit import BLENDSHAPES, HEAD
from toktalk_node.signals import AudioChunk

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(binary() is None, reason="no Chromium here: apt-get install chromium"),
]
GOLDEN = Path(__file__).with_name("golden")
REQUESTS = {kind.__name__ for kind in protocol.REQUESTS.values()}
PARTS = {path: file.read_bytes() for path, (file, _) in FILES.items() if file.suffix in (".js", ".glb")}


def exact(value: Any) -> Any:
    """`value` for JavaScript, whose JSON would round integers beyond 53 bits."""
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [exact(item) for item in value]
    return (
        {"int": str(value)} if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 else value
    )


COMPARE = """
    const same = (want, got) => {
      if (want?.int) return BigInt(want.int) === BigInt(got);
      if (want?.float32) return got instanceof Float32Array && got.length === want.float32.length
        && want.float32.every((v, i) => Math.fround(v) === got[i]);
      if (Array.isArray(want)) return want.length === got.length && want.every((v, i) => same(v, got[i]));
      if (want && typeof want === "object") return Object.keys(want).every((key) => same(want[key], got[key]));
      return want === (typeof got === "bigint" ? Number(got) : got);
    };
    const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const { decode, encode, ClockFilter } = await import("./wire.js");
"""


def test_golden_vectors(bridge):
    """The page's decoder reads every vector, and writes requests that Python reads as the same."""
    cases = []
    for case in json.loads((GOLDEN / "golden.json").read_text()):
        cases.append(case | {"body": base64.b64encode((GOLDEN / case["file"]).read_bytes()).decode(), "strict": True})
    for case in json.loads((GOLDEN / "tolerated.json").read_text()):
        body = base64.b64encode(bytes.fromhex(case["hex"])).decode()
        cases.append({**case, "file": case["why"], "body": body, "strict": False})
    clocks = json.loads((GOLDEN / "clock.json").read_text())
    script = f"""(async () => {{ {COMPARE}
        const bad = [], written = {{}};
        for (const c of {json.dumps(exact(cases))}) {{
          const got = decode(c.type, bytes(c.body));
          const extra = Object.keys(got).filter((key) => !(key in c.fields) && got[key] !== null);
          if (!same(c.fields, got) || (c.strict && extra.length)) bad.push(c.file);
          if (!{json.dumps(sorted(REQUESTS))}.includes(c.type)) continue;
          written[c.file] = btoa(String.fromCharCode(...encode(got)));
        }}
        for (const {{ why, exchanges }} of {json.dumps(clocks)}) {{
          const clock = new ClockFilter();
          for (const e of exchanges) {{
            clock.add(...[e.t1, e.t2, e.t3, e.t4].map((ns) => ns / 1e6));
            const errors = [clock.offset - e.offset / 1e6, clock.delay - e.delay / 1e6];
            if (!errors.every((error) => Math.abs(error) < 1e-3)) bad.push(why);
          }}
        }}
        return {{ bad, written }};
    }})()"""

    async def run() -> None:
        with WebViewer(bridge.control_endpoint, port=0) as viewer:
            async with open_page(viewer.url + "LICENSES.txt", 100, 100) as page:
                await page.until("document.readyState === 'complete'")
                result = await page.evaluate(script)
        assert result["bad"] == []
        assert len(result["written"]) >= 6
        for case in cases:
            if case["file"] in result["written"]:
                body = base64.b64decode(result["written"][case["file"]])
                kind = protocol.REQUESTS[case["topic"]]
                assert protocol.decode(body, kind) == protocol.decode(base64.b64decode(case["body"]), kind)

    asyncio.run(run())


# ---- a server that is not what it should be ----

FACE = protocol.face_message(steady(0.02, jawOpen=0.5), 0)


async def serve_hello(socket: web.WebSocketResponse, message: aiohttp.WSMessage) -> None:
    """Answer hello and clock as a bridge does."""
    length = message.data[0]
    topic, request = protocol.decode_request([message.data[1 : 1 + length], message.data[1 + length :]])
    now = time.time_ns()
    if isinstance(request, protocol.Hello):
        info = [protocol.StreamInfo(name="default", fps=50, audio_rate=RATE)]
        reply = protocol.HelloReply(id=request.id, names=list(BLENDSHAPES), head=list(HEAD), streams=info, pub_port=1)
    else:
        reply = protocol.ClockReply(id=request.id, t1_ns=request.t1_ns, t2_ns=now, t3_ns=now)
    await socket.send_bytes(bytes([len(topic)]) + topic.encode() + protocol.encode(reply))


def framed(topic: bytes, body: bytes) -> bytes:
    return bytes([len(topic)]) + topic + body


def nonsense() -> list[bytes | str]:
    """Messages that are to be counted, each once."""
    cases = json.loads((GOLDEN / "refused.json").read_text())
    parts = [[bytes.fromhex(p) for p in c["parts"]] for c in cases if c["socket"] != "request" and len(c["parts"]) == 2]
    noise = random.Random(1)
    body = protocol.encode(FACE)
    cut = [framed(b"face/default", body[:k]) for k in range(0, len(body), 7)]
    flood = framed(b"face/default", bytes(protocol.MAX_BODY + 1))
    random_bytes = [b"\xff" + noise.randbytes(n) for n in (0, 1, 30, 254)]
    return ["text", b"", *(framed(*p) for p in parts), *cut, flood, *random_bytes]


def test_a_connection_that_dies_silently_is_made_anew():
    """As on a phone that changes its network: nothing comes, not even an end; TCP would wait for minutes."""
    connections: list[web.WebSocketResponse] = []
    gone = asyncio.Event()

    async def mute(socket: web.WebSocketResponse) -> None:
        connections.append(socket)
        first = len(connections) == 1
        async for message in socket:
            if first and gone.is_set():
                await asyncio.sleep(60)
            await serve_hello(socket, message)

    async def run() -> None:
        files = PARTS | {
            "/": page_of("<script type=module src=toktalk-face.js></script><toktalk-face id=face kind=screen muted>")
        }
        async with site(files, mute) as url, open_page(url, 200, 200, before=WATCH) as page:
            await page.until("window.face?.connected && face.stats.rendered")
            gone.set()
            await page.until("!face.connected", 30)
            await page.until("face.connected && face.stats.connections === 2", 40)
            assert await page.evaluate("made.sockets.length") == 2 and page.console == []

    asyncio.run(run())


def test_a_hostile_server_is_counted_and_the_page_lives(tmp_path):
    sockets: list[web.WebSocketResponse] = []
    attack = nonsense()

    async def hostile(socket: web.WebSocketResponse) -> None:
        sockets.append(socket)
        async for message in socket:
            await serve_hello(socket, message)

    async def run() -> None:
        files = PARTS | {
            "/": page_of("<script type=module src=toktalk-face.js></script><toktalk-face id=face kind=screen muted>")
        }
        async with site(files, hostile) as url, open_page(url, 200, 200, before=WATCH) as page:
            await page.until("window.face?.connected && face.stats.rendered")
            for message in attack:
                await (sockets[0].send_str if isinstance(message, str) else sockets[0].send_bytes)(message)
            await page.until(f"face.stats.errors >= {len(attack)}")
            # sound and faces without end, for a time that never comes, stay within bounds
            late = time.time_ns() + 10**12
            sound = protocol.audio_message(AudioChunk(np.zeros(150_000, np.float32), RATE), late)
            for k in range(80):
                sound.seq, sound.pts_ns = k, late + k * 10**10
                await sockets[0].send_bytes(framed(b"audio/default", protocol.encode(sound)))
            await page.until("face.stats.overflows > 0")
            for k in range(1300):
                await sockets[0].send_bytes(
                    framed(b"event/x%d" % k, protocol.encode(protocol.Event(seq=0, pts_ns=late, kind="end")))
                )
            FACE.pts_ns = time.time_ns() + 200_000_000
            await page.until("face.streams.length >= 256")
            assert await page.evaluate("[face.stats.errors, face.streams.length]") == [len(attack), 256]
            # it still shows what is good, and comes back when the server goes
            assert await page.evaluate("made.sockets.length") == 1
            await sockets[0].close()
            await page.until("face.stats.connections === 2 && face.connected")
            assert len([c for c in page.console if "is ignored" in c]) == 1 and len(page.console) == 1, page.console

    asyncio.run(run())
