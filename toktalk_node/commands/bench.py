"""`toktalk bench`: how fast the parts that move data are on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.table import Table

bench = typer.Typer(no_args_is_help=True, help="Measure how fast data moves on this machine.")


@bench.callback()
def _bench() -> None:
    pass


@bench.command()
def bridge(
    streams: str = typer.Option("1,10,100", help="Numbers of streams, each at 60 frames a second with its sound."),
    seconds: float = typer.Option(5.0, help="Seconds for each measurement.", min=1.0, max=600.0),
    client: str = typer.Option(
        "", help="Also run another client: a command that prints JSON last; {endpoint}, {pub}, {seconds} are filled in."
    ),
    out: Path = typer.Option(None, help="Also write the JSON to this file."),
) -> None:
    """Latency, load, what a slow receiver costs the others, and punctuality: a table, then one line of JSON."""
    import json

    from rich.console import Console

    from toktalk_node.bridge.bench import measure

    try:
        counts = tuple(int(count) for count in streams.split(","))
        if not counts or not all(1 <= count <= 256 for count in counts):
            raise ValueError
    except ValueError:
        raise typer.BadParameter(f"{streams!r}: give numbers from 1 to 256, as in 1,10,100") from None
    try:
        figures = measure(counts, seconds, client)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    console = Console()
    for table in _tables(figures):
        console.print(table)
    text = json.dumps(figures)
    typer.echo(text)
    if out:
        out.write_text(text + "\n")


def _tables(figures: dict) -> "list[Table]":
    from rich.table import Table

    load = Table(title=f"publish to client, {figures['fps']} frames/s with sound", title_justify="left")
    for name in ("streams", "messages/s", "p50 ms", "p99 ms", "lost", "CPU publisher", "CPU client"):
        load.add_column(name, justify="right")
    for row in figures["streams"]:
        load.add_row(
            str(row["streams"]), str(row["messages_per_s"]), f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}",
            str(row["lost"]), f"{row['publisher_cpu']:.0%}", f"{row['client_cpu']:.0%}",
        )  # fmt: skip
    slow = figures["slow_client"]
    title = f"a reader of {slow['streams']} streams, beside a receiver that reads nothing ({slow['stalls']} stalls)"
    others = Table(title=title, title_justify="left")
    for name in ("", "p50 ms", "p99 ms", "publish p99 ms", "publish worst ms"):
        others.add_column(name, justify="right")
    for name, half in (("alone", slow["alone"]), ("beside it", slow["beside_it"])):
        others.add_row(
            name, *(f"{half[key]:.2f}" for key in ("p50_ms", "p99_ms", "publish_p99_ms", "publish_worst_ms"))
        )
    others.caption = f"messages that the reader lost: {slow['lost']}"
    punctual = Table(title="frame given to the caller, against its presentation time", title_justify="left")
    for name in ("frames", "late", "p50 ms", "p99 ms"):
        punctual.add_column(name, justify="right")
    values = figures["punctuality"]
    punctual.add_row(str(values["frames"]), str(values["late"]), f"{values['p50_ms']:.2f}", f"{values['p99_ms']:.2f}")
    tables = [load, others, punctual]
    if runs := figures.get("client"):
        names = list(runs[0]["told"])
        told = Table("streams", *names, "CPU publisher", title=runs[0]["command"], title_justify="left")
        for run in runs:
            values = (str(run["told"].get(name, "")) for name in names)
            told.add_row(str(run["streams"]), *values, f"{run['publisher_cpu']:.0%}")
        tables.append(told)
    return tables
