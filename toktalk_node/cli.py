"""The `toktalk` command: a table of verbs, each imported when it is called.

A verb is a function with typer's options in its signature, or a `typer.Typer` of sub-verbs.
"""

import sys
from importlib import import_module

import typer

VERBS: dict[str, tuple[str, str]] = {
    "demo": ("toktalk_node.commands.demo:demo", "A face speaks in the browser, through a ROS 2 graph."),
    "render": ("toktalk_node.commands.render:render", "Write the face of a recording: CSV, video, glTF, NPZ, MCAP."),
    "replay": ("toktalk_node.commands.replay:replay", "Say one thing over and over through a bridge, without ROS."),
    "watch": ("toktalk_node.commands.watch:watch", "Print or plot what a bridge sends, live."),
    "web": ("toktalk_node.commands.web:web", "Serve the face of a bridge as web pages, also for displays of robots."),
    "send": ("toktalk_node.commands.send:send", "Send the face of a bridge to Unreal Engine or to VRM avatars."),
    "keys": ("toktalk_node.commands.keys:keys", "Make keys for an encrypted bridge, add and remove receivers."),
    "robot": ("toktalk_node.commands.robot:robot", "Check the map of a robot's face, and plot its joints."),
    "bench": ("toktalk_node.commands.bench:bench", "Measure how fast data moves on this machine."),
    "doctor": ("toktalk_node.commands.doctor:doctor", "What this machine has, and what to do about what is missing."),
    "corpus": ("toktalk_node.commands.corpus:corpus", "Build speech with exact phone times and performances."),
    "train": ("toktalk_node.commands.train:train", "Train the tokenizer or the motion model."),
    "eval": ("toktalk_node.commands.eval:eval", "Measure."),
}
"""Verb -> (module:object, one line of help)."""


def _version(value: bool) -> None:
    if value:
        from toktalk_node import __version__

        typer.echo(__version__)
        raise typer.Exit


def _options(
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_version, is_eager=True),
) -> None:
    """TokTalk: speech in, a living face out, in real time."""


def build_app(verb: str | None) -> typer.Typer:
    """The command line, with the code of `verb` loaded and every other verb only named."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
    app.callback()(_options)
    for name, (target, summary) in VERBS.items():
        if name != verb:
            app.command(name, help=summary)(lambda: None)
            continue
        module, attribute = target.split(":")
        loaded = getattr(import_module(module), attribute)
        if isinstance(loaded, typer.Typer):
            app.add_typer(loaded, name=name, help=summary)
        else:
            app.command(name)(loaded)
    return app


def main() -> None:
    """Entry point of `toktalk`."""
    verb = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    build_app(verb)(prog_name="toktalk")


if __name__ == "__main__":
    main()
