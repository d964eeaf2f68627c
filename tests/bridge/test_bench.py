"""`toktalk bench bridge`: every figure is there, and another client's program is run beside."""

import json
import sys

import pytest
from typer.testing import CliRunner

from toktalk_node.bridge import bench
from toktalk_node.cli import build_app

OTHER = """
import json, sys, time
from toktalk_node.bridge.client import Client
from toktalk_node.bridge.protocol import Face
with Client(sys.argv[1]) as client:
    end = time.monotonic() + float(sys.argv[2])
    ages = []
    for _, message in client.messages(timeout=2):
        if isinstance(message, Face):
            ages.append(time.time_ns() - message.pts_ns)
        if time.monotonic() > end:
            break
print("done")
print(json.dumps({"p50_ms": sorted(ages)[len(ages) // 2] / 1e6}))
"""


def test_one_command_prints_a_table_and_every_figure(tmp_path):
    out, program = tmp_path / "figures.json", tmp_path / "other.py"
    program.write_text(OTHER)
    command = f"{sys.executable} {program} {{endpoint}} {{seconds}}"
    words = ["bench", "bridge", "--streams", "1,2", "--seconds", "1", "--client", command, "--out", str(out)]
    result = CliRunner().invoke(build_app("bench"), words)
    assert result.exit_code == 0, result.output
    figures = json.loads(out.read_text())
    assert json.loads(result.output.splitlines()[-1]) == figures
    assert [row["streams"] for row in figures["streams"]] == [1, 2]
    assert all(0 < row["p50_ms"] <= row["p99_ms"] and row["lost"] == 0 for row in figures["streams"])
    assert 90 < figures["streams"][0]["messages_per_s"] < 150
    assert figures["punctuality"]["frames"] + figures["punctuality"]["late"] == 60
    assert figures["slow_client"]["lost"] == 0
    assert [run["streams"] for run in figures["client"]] == [1, 2]
    assert all(run["told"]["p50_ms"] > 0 and run["publisher_cpu"] > 0 for run in figures["client"])


@pytest.mark.parametrize("command", ["/no/such/program", "false", "echo words"])
def test_another_client_that_fails_is_named(command):
    with pytest.raises(ValueError, match=command.split()[0]):
        bench.other_client(command, 1, 0.2)


def test_numbers_of_streams_are_checked():
    for streams in ("0", "257", "many", ""):
        assert CliRunner().invoke(build_app("bench"), ["bench", "bridge", "--streams", streams]).exit_code == 2
