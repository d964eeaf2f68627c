"""What the tests of the Unity package share: the compiled program, once."""

from pathlib import Path

import pytest

from tests.unity.mono import MISSING, REASON, compile_peer


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C# client as a program."""
    if MISSING:
        pytest.skip(REASON)
    return compile_peer(tmp_path_factory.mktemp("unity"))
