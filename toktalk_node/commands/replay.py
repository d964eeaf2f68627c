"""`toktalk replay`: a bridge that says one thing over and over, without ROS: to set up or write receivers."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from toktalk_node.commands.options import Style

if TYPE_CHECKING:
    from toktalk_node.signals import AudioChunk, FaceChunk

TEXT = "Hello! I say this over and over, so that you can see whether my lips meet on a map, a beam and a plum."


def replay(
    recording: Path = typer.Argument(None, help="Recording to speak; none: a text.", exists=True, dir_okay=False),
    text: str = typer.Option(TEXT, help="Text to speak when there is no recording."),
    style: Style = "",
    stream: str = typer.Option("default", help="Name of the stream."),
    once: bool = typer.Option(False, "--once", help="End after the first time."),
    pause: float = typer.Option(1.0, help="Seconds from one time to the next.", min=0.0),
    host: str = typer.Option("127.0.0.1", help="Network interface to listen on."),
    port: int = typer.Option(
        5590, help="TCP port of PUB, control is the next one; 0: any free ones.", min=0, max=65534
    ),
    keys: Path = typer.Option(None, help="The bridge's keys, to encrypt (toktalk keys)."),
) -> None:
    """Say a recording or a text over and over through a bridge, without ROS."""
    from toktalk_node.bridge.replay import replay as publish
    from toktalk_node.bridge.server import Bridge
    from toktalk_node.stream.clips import is_clip

    stop = threading.Event()
    try:
        face, sound = _spoken(recording, text, style)

        def on_interrupt(_: str, played_ns: int) -> tuple[int, int]:
            stop.set()
            played = min(max(played_ns * face.fps // 1_000_000_000, 0), len(face))
            return played, len(face) - played

        with Bridge(host, port, port and port + 1, on_interrupt=on_interrupt, keys=keys) as bridge:
            named = Path(style).name if is_clip(style) else style
            bridge.announce(stream, fps=face.fps, audio_rate=sound.rate, style=named or None)
            typer.echo(f"receivers connect to {bridge.control_endpoint}; Ctrl-C ends it")
            while True:
                publish(bridge, face, sound, stream=stream, text="" if recording else text, stop=stop)
                threading.Event().wait(pause)
                if once:
                    return
                stop.clear()
    except (OSError, RuntimeError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        pass


def _spoken(recording: Path | None, text: str, style: str) -> "tuple[FaceChunk, AudioChunk]":
    """The face and the sound of a recording or a text."""
    import numpy as np
    import torch

    from toktalk_node.signals import AudioChunk, FaceChunk
    from toktalk_node.stream.session import LIVE_PRESET, Session

    typer.echo("computing the face of what will be said")
    torch.set_num_threads(1)  # the steps are small: threads would wait for each other longer than they work
    if recording:
        from toktalk_node.speech.files import read_audio

        samples, rate = read_audio(recording)
    else:
        from toktalk_node.speech.tts import speak

        sounds = [sentence.audio for sentence in speak(text)]
        if not sounds:
            raise ValueError(f"nothing to say in {text[:80]!r}")
        samples, rate = np.concatenate([sound.samples for sound in sounds]), sounds[0].rate
    session = Session.load(LIVE_PRESET, style=style)
    parts = [session.push_audio(samples, rate), session.finish()]
    weights, head = np.concatenate([p.weights for p in parts]), np.concatenate([p.head for p in parts])
    return FaceChunk(weights, head, session.fps), AudioChunk(samples, rate)
