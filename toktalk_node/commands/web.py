"""`toktalk web`: the face of a running bridge as web pages, for browsers, phones and displays of robots."""

from pathlib import Path

import typer


def web(
    endpoint: str = typer.Argument(
        "tcp://127.0.0.1:5591", help="Control endpoint of the bridge, which may start later."
    ),
    host: str = typer.Option("127.0.0.1", help="Network interface to serve on; 0.0.0.0: every one."),
    port: int = typer.Option(8765, help="TCP port of the pages; 0: any free one.", min=0, max=65535),
    origin: list[str] = typer.Option([], help="Page of another server that may embed the face: https://shop.example."),
    avatar: list[Path] = typer.Option(
        [],
        help="A .glb, .vrm or .gltf, or a folder of them, to be chosen by ?avatar=NAME; repeat it for more. The first, "
        "if it is a file, takes the place of the built-in head.",
        exists=True,
    ),
    keys: Path = typer.Option(None, help="This receiver's keys, for an encrypted bridge (toktalk keys).", exists=True),
) -> None:
    """Serve the face of a bridge as web pages: / with a panel, /screen for displays, the element for other pages."""
    import threading
    from urllib.parse import quote

    from toktalk_node.bridge.web import WebViewer

    try:
        with WebViewer(endpoint, host=host, port=port, origins=origin, keys=keys, avatars=avatar, wait=True) as viewer:
            typer.echo(f"the face is at {viewer.url}, drawn for a display at {viewer.url}screen; Ctrl-C ends it")
            for name in viewer.avatars:
                typer.echo(f"with another head: {viewer.url}?avatar={quote(name)}")
            threading.Event().wait()
    except (OSError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        pass
