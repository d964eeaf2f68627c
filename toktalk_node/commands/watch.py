"""`toktalk watch`: print or plot what a bridge sends, live."""

import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Group

    from toktalk_node.bridge.client import Client
    from toktalk_node.bridge.playout import Frame
    from toktalk_node.bridge.protocol import Audio, Event, Face, StreamInfo

BAR = 24
SHOWN = 16
LEVELS = 256
"""Levels of sound kept until their time."""
EVENTS = 3
PLOTTED = 5.0
"""Seconds that are plotted unless told otherwise."""
FORMATS = (".png", ".svg", ".pdf")


def watch(
    endpoint: str = typer.Argument("tcp://127.0.0.1:5591", help="Control endpoint of the bridge."),
    stream: str = typer.Option("", help="Stream to follow; empty: all."),
    listing: bool = typer.Option(False, "--list", help="List the streams and end."),
    json: bool = typer.Option(False, "--json", help="One line of JSON for each frame, for other programs."),
    plot: Path = typer.Option(None, help="Draw curves and sound into FILE.png, .svg or .pdf (of 5 s, or --seconds)."),
    seconds: float = typer.Option(0.0, help="End after this time; 0: never.", min=0.0),
    keys: Path = typer.Option(None, help="This receiver's keys, for a bridge that encrypts (toktalk keys)."),
) -> None:
    """Print or plot what a bridge sends, live."""
    from toktalk_node.bridge.client import Client

    if plot is not None and plot.suffix not in FORMATS:
        raise typer.BadParameter(f"{plot}: the file's name ends in one of {', '.join(FORMATS)}")
    try:
        with Client(endpoint, stream=stream or None, keys=keys) as client:
            if listing:
                _list(client)
            elif plot is not None:
                _plot(client, plot, seconds or PLOTTED)
            elif json:
                _lines(client, seconds)
            else:
                _Screen(client).run(seconds)
    except (ConnectionError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        pass


def _items(client: "Client", seconds: float) -> "Iterator[Frame | tuple[str, Face | Audio | Event] | None]":
    """Messages as they arrive, frames when they are due, None at least ten times a second; for `seconds`, 0: always."""
    playout = client.playout()
    end = time.monotonic() + seconds if seconds else float("inf")
    while (left := end - time.monotonic()) > 0:
        wait = playout.wait_ns(client.now_ns())
        if item := client.receive(min(0.1, left, float("inf") if wait is None else wait / 1e9)):
            playout.add(*item, client.names, client.now_ns())
            yield item
        yield from playout.due(client.now_ns())
        yield None


def _list(client: "Client") -> None:
    for info in client.streams.values():
        typer.echo(_told(info))
    if not client.streams:
        typer.echo("no streams yet", err=True)


def _told(info: "StreamInfo") -> str:
    """One line about a stream."""
    rates = [f"{info.fps} frames/s" if info.fps else "no face yet",
             f"sound at {info.audio_rate} Hz" if info.audio_rate else "no sound yet"]  # fmt: skip
    style = [f"style {_printable(info.style)}"] if info.style else []
    return "  ".join([f"{info.name:<16}", *rates, *style, "speaking" if info.speaking else "silent"])


def _lines(client: "Client", seconds: float) -> None:
    import msgspec

    from toktalk_node.bridge.playout import Frame
    from toktalk_node.face.arkit import HEAD

    for item in _items(client, seconds):
        if not isinstance(item, Frame):
            continue
        values = {**item.as_dict(), **dict(zip(HEAD, item.head.tolist(), strict=True))}
        record = {"stream": item.stream, "time": item.time, "pts_ns": item.pts_ns, "live": item.live}
        record |= {name: round(value, 5) for name, value in values.items()}
        try:
            sys.stdout.write(msgspec.json.encode(record).decode() + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            sys.stderr.close()
            return


class _Screen:
    """Every stream in a line, the face of the one that moved last as bars, the latest events.

    One thread takes messages in, that of rich draws: it copies what grows before it goes through it.
    """

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._frame: Frame | None = None
        self._late_ms = 0.0
        self._events: deque[str] = deque(maxlen=EVENTS)
        self._levels: dict[str, deque[tuple[int, float]]] = {}
        """For each stream (time, loudness from 0 to 1) of its sound."""

    def run(self, seconds: float) -> None:
        from rich.live import Live

        with Live(get_renderable=self._picture, refresh_per_second=20, transient=False):
            for item in _items(self._client, seconds):
                self._take(item)

    def _take(self, item: "Frame | tuple[str, Face | Audio | Event] | None") -> None:
        import numpy as np

        from toktalk_node.bridge.playout import Frame
        from toktalk_node.bridge.protocol import Audio, Event

        match item:
            case Frame():
                self._frame = item
                self._late_ms = (self._client.now_ns() - item.pts_ns) / 1e6 if item.live else 0.0
            case (stream, Audio() as sound) if sound.count:
                loud = float(np.sqrt(np.mean(np.square(sound.array()))))
                decibels = 20 * np.log10(max(loud, 1e-5))
                self._levels.setdefault(stream, deque(maxlen=LEVELS)).append(
                    (sound.pts_ns, max(1 + decibels / 60, 0.0))
                )
            case (stream, Event() as event):
                data = ", ".join(f"{name} {value}" for name, value in event.data.items())
                self._events.append(_printable(f"{stream}: {event.kind}  {data}"))

    def _level(self, stream: str) -> float:
        """Loudness of the sound whose time it is."""
        now, level = self._client.now_ns(), 0.0
        for pts_ns, loud in tuple(self._levels.get(stream, ())):
            if now - 200_000_000 < pts_ns <= now:
                level = loud
        return level

    def _picture(self) -> "Group":
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        client, frame = self._client, self._frame
        stats = client.stats
        streams = Table.grid(padding=(0, 2))
        for info in list(client.streams.values()):
            streams.add_row(Text(_told(info)), Text(_bar(self._level(info.name), 10), style="green"))
        lines = [streams if client.streams else Text("no streams yet")]
        if not client.connected:
            lines.append(Text("the bridge is away: looking for it", style="yellow"))
        lines.append(
            Text(f"frames {stats.frames}, late {stats.late_frames}, shown {self._late_ms:.1f} ms behind their time")
        )
        lines.append(Text(f"messages {stats.messages}, lost {stats.lost_messages}, refused {stats.errors}; "
                          f"network {client.clock_delay_ns / 1e6:.2f} ms there and back"))  # fmt: skip
        lines += [Text(event, style="dim", no_wrap=True, overflow="ellipsis") for event in tuple(self._events)]
        if frame is None:
            return Group(*lines, Text("waiting for a face"))
        yaw, pitch, roll = frame.head
        lines.append(
            Text(f"{frame.stream} {frame.time:8.2f} s  head: yaw {yaw:+.2f}  pitch {pitch:+.2f}  roll {roll:+.2f}")
        )
        if not frame.live:
            lines.append(Text("the newest face of before: nothing came since", style="dim"))
        bars = Table.grid(padding=(0, 1))
        for name, value in sorted(sorted(frame.as_dict().items(), key=lambda item: -item[1])[:SHOWN]):
            bars.add_row(Text(name), Text(_bar(value, BAR), style="cyan"), f"{value:.2f}")
        return Group(*lines, bars)


def _printable(text: str) -> str:
    """`text` without what a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _bar(value: float, width: int) -> str:
    return f"{'█' * round(min(max(value, 0.0), 1.0) * width):<{width}}"


def _plot(client: "Client", path: Path, seconds: float) -> None:
    """Draw what arrives in `seconds`: the sound's waveform, the liveliest weights, the head, and events."""
    try:
        from toktalk_node.commands.watch_plot import draw
    except ModuleNotFoundError as error:
        raise ValueError("--plot needs matplotlib: .venv/bin/pip install matplotlib") from error
    messages: list = []
    for item in _items(client, seconds):
        if isinstance(item, tuple):
            messages.append(item)
    typer.echo(draw(messages, client.names, path))
