"""`toktalk send`: the face of a running bridge to receivers that have protocols of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import threading

    from toktalk_node.bridge.udp import Encoder, UdpSender

send = typer.Typer(no_args_is_help=True, help="Send the face of a bridge to Unreal Engine or to VRM avatars.")

ENDPOINT = typer.Argument("tcp://127.0.0.1:5591", help="Control endpoint of the bridge, which may start later.")
STREAM = typer.Option("", help="Stream to send; empty: all.")
DELAY = typer.Option(
    0.0, help="Seconds by which the face is sent later than its time; negative: earlier.", min=-5.0, max=5.0
)
SPEAKER = typer.Option(False, "--speaker", help="Play the sound on this machine as well.")
DEVICE = typer.Option("", help="Loudspeaker: its number or a part of its name; empty: the default.")
SOUND_DELAY = typer.Option(0.0, help="Seconds by which the sound is played later than its time.", min=-5.0, max=5.0)
KEYS = typer.Option(None, help="This receiver's keys, for a bridge that encrypts (toktalk keys).", exists=True)
SECONDS = typer.Option(0.0, help="End after this time; 0: never.", min=0.0)


@send.command()
def livelink(
    endpoint: str = ENDPOINT,
    to: str = typer.Option("127.0.0.1:11111", help="HOST or HOST:PORT of the machine that runs Unreal Engine."),
    subject: str = typer.Option("{stream}", help="Name of the Live Link subject; {stream}: the stream's name."),
    stream: str = STREAM,
    delay: float = DELAY,
    speaker: bool = SPEAKER,
    device: str = DEVICE,
    sound_delay: float = SOUND_DELAY,
    keys: Path = KEYS,
    seconds: float = SECONDS,
) -> None:
    """To Unreal Engine as Live Link Face: MetaHumans move without a plugin of ours (docs/unreal.md)."""
    from toktalk_node.bridge import livelink_udp

    sound = _sound(speaker, device, sound_delay)
    _run(
        lambda: livelink_udp.LiveLink(subject),
        livelink_udp.PORT,
        endpoint,
        to,
        sound,
        seconds,
        stream=stream or None,
        delay=delay,
        keys=keys,
    )


@send.command()
def vmc(
    endpoint: str = ENDPOINT,
    to: str = typer.Option("127.0.0.1:39539", help="HOST or HOST:PORT of the receiver."),
    names: str = typer.Option(
        "pascal", help="Shapes: pascal (JawOpen) or camel (jawOpen) for perfect sync, vrm0 (A) or vrm1 (aa) without."
    ),
    head: bool = typer.Option(True, help="Send the head's rotation."),
    stream: str = STREAM,
    delay: float = DELAY,
    speaker: bool = SPEAKER,
    device: str = DEVICE,
    sound_delay: float = SOUND_DELAY,
    keys: Path = KEYS,
    seconds: float = SECONDS,
) -> None:
    """To VSeeFace, Warudo, VNyan, VMagicMirror and others by the VMC protocol (docs/vrm.md)."""
    from toktalk_node.bridge import vmc as protocol

    sound = _sound(speaker, device, sound_delay)
    _run(
        lambda: protocol.Vmc(names, head=head),
        protocol.PORT,
        endpoint,
        to,
        sound,
        seconds,
        stream=stream or None,
        delay=delay,
        keys=keys,
    )


def _sound(speaker: bool, device: str, delay: float) -> dict[str, str | float] | None:
    """A loudspeaker's options, None without one."""
    if not speaker and (device or delay):
        raise typer.BadParameter("--device and --sound-delay belong to --speaker")
    return {"device": device, "delay": delay} if speaker else None


def _run(
    encoder: Callable[[], "Encoder"],
    port: int,
    endpoint: str,
    to: str,
    sound: dict[str, str | float] | None,
    seconds: float,
    *,
    stream: str | None,
    keys: Path | None,
    delay: float,
) -> None:
    """Send to `to` (default `port`) until Ctrl-C; `sound` holds a loudspeaker's options, None: no loudspeaker."""
    import contextlib
    import signal
    import threading

    from toktalk_node.bridge.address import Address
    from toktalk_node.bridge.speaker import Speaker, SpeakerError
    from toktalk_node.bridge.udp import UdpSender

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        address = Address.parse(to, port)
        with contextlib.ExitStack() as running:
            counted = []
            if sound is not None:
                speaker = running.enter_context(Speaker(endpoint, **sound, stream=stream, keys=keys))
                counted.append(("speaker ", speaker.stats))
            sender = UdpSender(endpoint, address, encoder(), stream=stream, delay=delay, keys=keys)
            running.enter_context(sender)
            counted.append(("", sender.stats))
            typer.echo(f"from {endpoint} to {address}; Ctrl-C ends", err=True)
            _watch(sender, stop, seconds)
    except (SpeakerError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    for whose, stats in counted:
        typer.echo(", ".join(f"{whose}{name} {value}" for name, value in vars(stats).items()), err=True)


def _watch(sender: "UdpSender", stop: "threading.Event", seconds: float) -> None:
    """Say which streams are sent as what, whenever that changes, until asked to stop or `seconds` have passed."""
    import time

    end = time.monotonic() + (seconds or float("inf"))
    said: dict[str, str] = {}
    while not stop.wait(min(0.2, max(end - time.monotonic(), 0.0))) and time.monotonic() < end:
        if (subjects := sender.subjects) != said:
            said = subjects
            typer.echo("sending " + (", ".join(f"{v} as {k}" for k, v in said.items()) or "nothing"), err=True)
