"""`toktalk keys`: who may speak with a bridge that encrypts."""

from pathlib import Path

import typer


def keys(
    bridge: Path = typer.Argument(Path("bridge.json"), help="File with the bridge's keys; made when there is none."),
    add: str = typer.Option("", help="Let a receiver of this name in: writes its keys to NAME.json."),
    remove: str = typer.Option("", help="Let the receiver of this name in no more."),
    out: Path = typer.Option(None, help="Where the receiver's keys go; default: NAME.json beside the bridge's file."),
) -> None:
    """Make keys for an encrypted wire, add and remove receivers."""
    from toktalk_node.bridge import keys as curve

    try:
        if not bridge.exists() and not remove:
            curve.create_bridge(bridge)
            typer.echo(f"{bridge}: keys of a bridge. They stay on its machine; the bridge takes the file as `keys`.")
        if remove:
            curve.remove_client(bridge, remove)
            typer.echo(f"{remove} is let in no more; a connection that it has now lasts until it is closed.")
        if add:
            path = out or bridge.with_name(f"{add}.json")
            curve.add_client(bridge, add, path)
            typer.echo(f"{path}: keys of {add}. Carry them there by a safe way: toktalk watch tcp://HOST:5591 "
                       f"--keys {path.name}")  # fmt: skip
        names = ", ".join(curve.load(bridge, curve.BridgeKeys).clients)
        typer.echo(f"let in: {names or 'nobody yet; add a receiver with --add NAME'}")
    except (OSError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
