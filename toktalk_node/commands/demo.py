"""`toktalk demo`: a face speaks in the browser, through a ROS 2 graph."""

import re
import socket
from pathlib import Path

import typer

from toktalk_node.commands.options import Style

WELCOME = "Hello! I am TokTalk. I listen to sound, and I move my lips, my brows and my head in time with it."

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def demo(
    text: str = typer.Option("", help="Speak this text."),
    wav: Path = typer.Option(None, help="Speak this recording.", exists=True, dir_okay=False),
    mic: bool = typer.Option(False, "--mic", help="Speak with your voice; DEVICE chooses the microphone."),
    device: str = typer.Argument("", help="Number or part of the name of the microphone, after --mic."),
    once: bool = typer.Option(False, help="End after the speech (after 10 s of a microphone); print one line of JSON."),
    voice: str = typer.Option("en-us", help="Voice of espeak-ng for text."),
    preset: str = typer.Option("mini-live", help="Motion model: a name that ships, or a folder."),
    style: Style = "",
    face: list[str] = typer.Option(
        [], help="Name of a face; repeat it for several, each a namespace and a stream; {name} in the text is its name."
    ),
    host: str = typer.Option(
        "127.0.0.1", help="Network interface of the viewer and the bridge; 0.0.0.0: every one, for phones and others."
    ),
    port: int = typer.Option(8765, help="TCP port of the viewer; 0: any free one.", min=0, max=65535),
    zmq_port: int = typer.Option(
        5590, help="TCP port of the ZeroMQ bridge, control is the next one; 0: any free ones.", min=0, max=65534
    ),
) -> None:
    """A face speaks in the browser, through a ROS 2 graph."""
    if sum((bool(text), wav is not None, mic)) > 1:
        raise typer.BadParameter("choose one of --text, --wav and --mic")
    if wrong := [name for name in face if not NAME.fullmatch(name)] or (face if len(set(face)) < len(face) else []):
        raise typer.BadParameter(f"--face {wrong[0]!r}: letters, digits and _ only, a letter first, each name once")
    if device and not mic:
        raise typer.BadParameter(f"{device!r}: a device goes after --mic")
    from toktalk_node.nodes.available import messages_problem, ros_problem

    if problem := ros_problem() or messages_problem():
        typer.echo(f"ROS 2 or TokTalk's messages are missing ({problem}): run make setup, or toktalk doctor", err=True)
        raise typer.Exit(1)
    from toktalk_node.nodes.demo import run_demo
    from toktalk_node.stream.clips import is_clip

    try:
        port = port or _free_port(host)
    except OSError as error:
        typer.echo(f"cannot listen on {host!r} ({error}): give an address of this machine, or 0.0.0.0", err=True)
        raise typer.Exit(1) from error
    if host not in LOOPBACK:
        typer.echo(
            f"Warning: --host {host} opens the viewer and the bridge to the network, without encryption: whoever "
            "reaches this machine sees the face, hears the voice and may interrupt it.", err=True
        )  # fmt: skip
    source = {"source": "microphone", "device": device} if mic else {"source": "text", "text": text or WELCOME}
    if wav:
        source = {"source": "wav", "wav": str(wav.resolve())}
    ports = {"pub_port": zmq_port, "control_port": zmq_port and zmq_port + 1, "viewer_port": port}
    parameters = {"bridge": {"host": host, "streams": face or [""], **ports}}
    style = str(Path(style).resolve()) if is_clip(style) else style
    for name in face or [""]:
        prefix, said = (f"{name}/", {"text": text.replace("{name}", name)} if text else {}) if name else ("", {})
        parameters[f"{prefix}toktalk"] = {"preset": preset, "style": style}
        parameters[f"{prefix}speech_source"] = {
            **source, **said, "voice": voice, "repeat_after": 0.0 if once else 4.0
        }  # fmt: skip
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    raise typer.Exit(run_demo(parameters, once=once, live=mic, viewer_url=f"http://{shown}:{port}/"))


def _free_port(host: str) -> int:
    """A TCP port of `host` that is free. Raises OSError where this machine has no such address."""
    family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
    with socket.socket(family) as probe:
        probe.bind(address)
        return probe.getsockname()[1]
