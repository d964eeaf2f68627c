"""`toktalk keys` from the first pair to a receiver that is removed again."""

from pathlib import Path

from typer.testing import CliRunner

from toktalk_node.bridge.client import Client
from toktalk_node.bridge.server import Bridge
from toktalk_node.cli import build_app


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(build_app("keys"), ["keys", *map(str, arguments)])
    return result.exit_code, result.output


def test_one_verb_makes_the_keys_that_bridge_and_receiver_take(tmp_path):
    file = tmp_path / "bridge.json"
    code, said = run(file, "--add", "tablet")
    assert code == 0 and "let in: tablet" in said
    with Bridge(pub_port=0, control_port=0, keys=file) as bridge:
        Client(bridge.control_endpoint, keys=tmp_path / "tablet.json").close()
    assert "already lets 'tablet' in" in run(file, "--add", "tablet")[1]
    assert "nobody yet" in run(file, "--remove", "tablet")[1]


def test_mistakes_are_one_line(tmp_path):
    for arguments in (("--remove", "tablet"), ("--add", "a b"), ("--add", "../x")):
        code, said = run(tmp_path / "bridge.json", *arguments)
        assert code == 1 and "Traceback" not in said
    assert not (tmp_path.parent / "x.json").exists()
