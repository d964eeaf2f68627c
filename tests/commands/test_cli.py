import subprocess
import sys

import pytest
from typer.testing import CliRunner

from toktalk_node.cli import VERBS, build_app

HEAVY = ("torch", "rclpy", "aiohttp", "scipy", "soundfile", "zmq")


def test_help_names_every_verb_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from toktalk_node.cli import build_app\n"
        "print(CliRunner().invoke(build_app(None), ['--help']).stdout)\n"
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(verb in done.stdout for verb in VERBS) and "loaded: []" in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    result = CliRunner().invoke(build_app(verb), [verb, "--help"])
    assert result.exit_code == 0, result.output


def test_demo_takes_one_source_only() -> None:
    result = CliRunner().invoke(build_app("demo"), ["demo", "--text", "Hello", "--mic"])
    assert result.exit_code == 2 and "--text" in result.output
