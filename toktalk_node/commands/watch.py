"""`toktalk watch`: print the face that a bridge sends, live."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from toktalk_node.bridge.client import Client, Frame

BAR = 24
SHOWN = 16


def watch(
    endpoint: str = typer.Argument("tcp://127.0.0.1:5591", help="Control endpoint of the bridge."),
    stream: str = typer.Option("", help="Stream to follow; empty: all."),
    json: bool = typer.Option(False, "--json", help="One line of JSON for each frame, for other programs."),
    seconds: float = typer.Option(0.0, help="End after this time; 0: never.", min=0.0),
) -> None:
    """Print the face that a bridge sends, live."""
    from toktalk_node.bridge.client import Client

    try:
        with Client(endpoint, stream=stream or None) as client:
            show = _lines if json else _screen
            show(client, seconds)
    except (ConnectionError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        pass


def _frames(client: "Client", seconds: float) -> "Iterator[Frame | None]":
    """Frames until `seconds` have passed, None in quiet moments."""
    import time

    end = time.monotonic() + seconds if seconds else float("inf")
    while time.monotonic() < end:
        for frame in client.frames(timeout=min(0.5, max(end - time.monotonic(), 0.0))):
            yield frame
            if time.monotonic() >= end:
                return
        yield None


def _lines(client: "Client", seconds: float) -> None:
    import sys

    import msgspec

    from toktalk_node.face.arkit import HEAD

    for frame in _frames(client, seconds):
        if frame is None:
            continue
        values = {**frame.as_dict(), **dict(zip(HEAD, frame.head.tolist(), strict=True))}
        record = {"stream": frame.stream, "time": frame.time, "pts_ns": frame.pts_ns}
        record |= {name: round(value, 5) for name, value in values.items()}
        try:
            sys.stdout.write(msgspec.json.encode(record).decode() + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            sys.stderr.close()
            return


def _screen(client: "Client", seconds: float) -> None:
    from rich.live import Live
    from rich.table import Table

    def picture(frame: "Frame | None", late_ms: float) -> Table:
        table = Table.grid(padding=(0, 1))
        if frame is None:
            table.add_row(f"waiting for a face; streams: {', '.join(client.streams) or 'none yet'}")
            return table
        table.add_row("stream", f"{frame.stream}  {frame.time:8.2f} s")
        yaw, pitch, roll = frame.head
        table.add_row("head", f"yaw {yaw:+.2f}  pitch {pitch:+.2f}  roll {roll:+.2f} rad")
        table.add_row(
            "behind its time", f"{late_ms:.1f} ms, network {client.clock_delay_ns / 1e6:.2f} ms there and back"
        )
        table.add_row("frames", f"{client.stats.frames}, late {client.stats.late_frames}, "
                                f"lost messages {client.stats.lost_messages}")  # fmt: skip
        largest = sorted(frame.as_dict().items(), key=lambda item: -item[1])[:SHOWN]
        for name, value in sorted(largest):
            table.add_row(name, f"[cyan]{'█' * round(value * BAR):<{BAR}}[/] {value:.2f}")
        return table

    with Live(picture(None, 0.0), refresh_per_second=20) as live:
        for frame in _frames(client, seconds):
            if frame is not None:
                live.update(picture(frame, (client.now_ns() - frame.pts_ns) / 1e6))
