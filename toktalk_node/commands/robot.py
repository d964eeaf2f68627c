"""`toktalk robot`: maps of robots' faces, checked and plotted without ROS."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toktalk_node.commands.options import Style

if TYPE_CHECKING:
    from rich.table import Table

    from toktalk_node.evaluation.robot import Spoken
    from toktalk_node.face.robot import RobotMap
    from toktalk_node.speech.phones import Phone

SENTENCE = "My papa may buy a map, but Bob and mama keep maybe five big poems about Pompeii."
robot = typer.Typer(no_args_is_help=True)


@robot.callback()
def _group() -> None:
    """Check the map of a robot's face, and plot its joints."""


@robot.command()
def check(
    map: Annotated[str, typer.Argument(help="The map: the path of a YAML file, or head12, jaw2 or leds.")],
    speak: Annotated[bool, typer.Option("--speak", help="Speak a sentence full of p, b and m on it.")] = False,
    text: Annotated[str, typer.Option(help="Speak this text.")] = "",
    wav: Annotated[Path | None, typer.Option(help="Speak this recording.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a picture of the joints: FILE.png, .svg or .pdf.")] = None,
    joint: Annotated[list[str] | None, typer.Option(help="A joint to plot; repeat for several.")] = None,
    rate: Annotated[float, typer.Option(min=10, max=500, help="Positions per second, as the node's.")] = 100.0,
    ahead: Annotated[float, typer.Option(min=0, max=5, help="Seconds by which frames are known in advance: the "
                                         "decoder's publish_ahead.")] = 0.1,
    lead: Annotated[float, typer.Option(min=0, max=1, help="Seconds that faces are read ahead, as the node's.")] = 0.0,
    preset: Annotated[str, typer.Option(help="Motion model.")] = "mini-live",
    style: Style = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:  # fmt: skip
    """Tell everything that is wrong with a map. With a sentence: do the joints follow, and do the lips still shut?"""
    from rich.console import Console

    from toktalk_node.evaluation.robot import check_pictures, liveliest, picture, save
    from toktalk_node.face.robot_file import MapError, find, load

    errors = Console(stderr=True, highlight=False)
    try:
        made = load(map)
        name = find(map).name
    except MapError as error:
        for problem in error.problems:
            errors.print(f"[red]error[/red] {problem}", soft_wrap=True)
        raise typer.Exit(1) from error
    report: dict = {"map": name, "joints": list(made.names), "lights": _lights(made)}
    console = Console(highlight=False)
    if speak or text or wav or plot:
        try:
            chosen = _chosen(made, joint or [])
            if plot:
                check_pictures(plot)
            spoken, phones, said = _speak(made, text, wav, rate, ahead, lead, preset, style)
            figures = _figures(spoken, phones)
            if plot:
                save(picture(spoken, chosen or liveliest(spoken), phones, f"{name}: {said}"), plot)
        except (ValueError, RuntimeError, OSError) as error:
            errors.print(f"[red]error[/red] {error}", soft_wrap=True)
            raise typer.Exit(1) from error
        report |= figures
    if as_json:
        typer.echo(json.dumps(report))
        return
    console.print(_table(made, report.get("motion", {})))
    if closed := report.get("closures"):
        console.print(_told(closed))
    mimics = f", {len(made.mimics)} mimics" if made.mimics else ""
    console.print(f"{name} is good: {len(made.joints)} joints{mimics}, {report['lights']} lights")


def _lights(made: "RobotMap") -> int:
    return made.panel.rows * made.panel.columns if made.panel else 0


def _speak(
    made: "RobotMap", text: str, wav: Path | None, rate: float, ahead: float, lead: float, preset: str, style: str
) -> tuple["Spoken", "list[Phone] | None", str]:
    """The sentence on the robot, its phones where they are known, and what was said."""
    import numpy as np

    from toktalk_node.evaluation import robot as evaluation
    from toktalk_node.speech.files import FileSource

    if wav:
        source = FileSource(wav, block=0.1)
        try:
            samples = np.concatenate([chunk.samples for chunk in source])
        finally:
            source.close()
        sound_rate, phones, said = source.rate, None, wav.name
    else:
        from toktalk_node.speech import espeak

        said = text or SENTENCE
        samples, sound_rate, phones = espeak.synthesize(said, "en-us")
    from toktalk_node.motion.checkpoint import CheckpointError
    from toktalk_node.stream import Session

    try:
        session = Session.load(preset, style=style)
    except CheckpointError as error:
        raise ValueError(str(error)) from error
    chunks = session.push_audio(samples, sound_rate), session.finish()
    motion = np.concatenate([np.concatenate([chunk.weights, chunk.head], axis=1) for chunk in chunks])
    loud = evaluation.loudness(samples, sound_rate, session.fps, len(motion))
    return evaluation.speak(made, motion, session.fps, loud, rate, ahead, lead), phones, said


def _figures(spoken: "Spoken", phones: "list[Phone] | None") -> dict:
    """Figures of the motion, plain for JSON."""
    import numpy as np

    from toktalk_node.evaluation.robot import closures

    limits, motion = spoken.robot.limits, {}
    error = np.sqrt(np.square(spoken.position - spoken.wanted).mean(axis=0))
    for i, joint in enumerate(spoken.robot.driven):
        motion[joint.name] = {
            "low": round(float(spoken.position[:, i].min()), 4),
            "high": round(float(spoken.position[:, i].max()), 4),
            "error_rms": round(float(error[i]), 4),
            "velocity_share": round(float(np.abs(spoken.velocity[:, i]).max() / limits.velocity[i]), 3),
            "acceleration_share": round(float(np.abs(spoken.acceleration[:, i]).max() / limits.acceleration[i]), 3),
        }
    found = closures(spoken, phones)
    if found is None:
        return {"motion": motion, "closures": None}
    values = {key: value for key, value in asdict(found).items() if key != "joint"}
    shown = {key: round(value, 4) if np.isfinite(value) else None for key, value in values.items()}
    kind = "p, b and m" if phones is not None else "times that the face shuts its lips"
    return {"motion": motion, "closures": {"joint": found.joint.name, "unit": found.joint.unit, "of": kind, **shown}}


def _chosen(made: "RobotMap", names: list[str]) -> list[int]:
    """Indices of the joints to plot. Raises ValueError for a name that is none of theirs."""
    known = [joint.name for joint in made.driven]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no joint {unknown[0]!r} to plot; there are {', '.join(known)}")
    return [known.index(name) for name in names]


def _table(made: "RobotMap", motion: dict) -> "Table":
    from rich.table import Table

    table = Table()
    for heading in ("joint", "unit", "rest", "travel", "reach of the map", "velocity", "acceleration"):
        table.add_column(heading, justify="left" if heading in ("joint", "unit") else "right", no_wrap=True)
    if motion:
        for heading in ("off by (rms)", "peak velocity", "peak acceleration"):
            table.add_column(heading, justify="right")
    for joint in made.driven:
        low, high = joint.reach()
        travel, reach = f"{joint.low:g} … {joint.high:g}", f"{low:.3g} … {high:.3g}"
        cells = [joint.name, joint.unit, f"{joint.rest:g}", travel, reach]
        cells += [f"{joint.velocity:g}", f"{joint.acceleration:g}"]
        if motion:
            moved = motion[joint.name]
            cells += [
                f"{moved['error_rms']:.3g}",
                f"{moved['velocity_share']:.0%}",
                f"{moved['acceleration_share']:.0%}",
            ]
        table.add_row(*cells)
    for mimic in made.mimics:
        table.add_row(mimic.name, "", f"{mimic.multiplier:g} x {mimic.joint} + {mimic.offset:g}")
    return table


def _told(closed: dict) -> str:
    unit = "" if closed["unit"] == "normalised" else f" {closed['unit']}"
    lag = "" if closed["lag"] is None else f", {1000 * closed['lag']:+.0f} ms late"
    return (
        f"{closed['joint']} on {closed['count']} {closed['of']}: shut {closed['wanted']:.0%} without limits, "
        f"[bold]{closed['limited']:.0%} with them[/bold]; it stays open by {closed['missed_mean']:.3f}{unit} on "
        f"average, {closed['missed_max']:.3f}{unit} at most, of an opening of {closed['opening']:.2f}{unit}{lag}"
    )
