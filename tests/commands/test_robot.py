import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from toktalk_node.cli import build_app
from toktalk_node.commands import robot
from toktalk_node.evaluation import robot as evaluation

runner = CliRunner()


def check(*arguments: object):
    return runner.invoke(build_app("robot"), ["robot", "check", *map(str, arguments)])


def test_presets_are_good_and_shown_with_their_limits() -> None:
    done = check("head12")
    assert done.exit_code == 0, done.output
    assert "jaw" in done.output and "head12.yaml is good: 12 joints" in done.output


def test_a_map_that_is_wrong_is_told_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "my_head.yaml"
    path.write_text("joints:\n  jaw:\n    unit: inch\n    rest: .nan\n")
    done = check(path)
    assert done.exit_code == 1
    assert "my_head.yaml:3: joint jaw: unit 'inch'" in done.output
    assert "my_head.yaml:4: joint jaw: rest is .nan" in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("hed12",), "one of head12, jaw2, leds"),
        (("jaw2", "--wav", "/nowhere.wav"), "/nowhere.wav"),
        (("jaw2", "--plot", "joints.bmp"), "pictures are .png"),
        (("jaw2", "--speak", "--joint", "tail"), "there are jaw, lips"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(arguments: tuple, words: str) -> None:
    done = check(*arguments)
    assert done.exit_code == 1 and words in done.output.replace("\n", " ")


def test_a_picture_without_matplotlib_is_refused_before_anything_is_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "find_spec", lambda name: None)
    monkeypatch.setattr(robot, "_speak", lambda *_: pytest.fail("it speaks first"))
    done = check("jaw2", "--plot", "joints.png")
    assert done.exit_code == 1 and "pictures need matplotlib: pip install matplotlib" in done.output.replace("\n", " ")


def test_a_sentence_is_spoken_on_the_robot_and_its_lips_shut(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    done = check("jaw2", "--text", "Mama, papa.", "--plot", tmp_path / "jaw.svg", "--json")
    assert done.exit_code == 0, done.output
    figures = json.loads(done.output)
    assert figures["joints"] == ["jaw", "lips"] and figures["motion"]["jaw"]["high"] > 0.05
    assert figures["motion"]["jaw"]["velocity_share"] <= 1.0
    closures = figures["closures"]
    assert closures["joint"] == "jaw" and closures["count"] == 4 and closures["of"] == "p, b and m"
    assert closures["wanted"] > 0.4 and closures["limited"] >= closures["wanted"] - 0.25
    assert "jaw: position" in (tmp_path / "jaw.svg").read_text()
