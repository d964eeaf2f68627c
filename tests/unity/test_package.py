"""The Unity package: every file type-checks, its tests pass under mono, and Unity can install it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unity.mono import CORE, HERE, MISSING, PACKAGE, REASON, compile_package, compile_program, csharp

META = PACKAGE / "Tools~" / "meta.py"
NUNIT = Path("/usr/lib/cli/nunit.framework-2.6.3/nunit.framework.dll")


@pytest.fixture(scope="module")
def assemblies(tmp_path_factory) -> Path:
    """The assemblies of the package, compiled as Unity would, against the stand-ins for its engine in engine/."""
    if MISSING:
        pytest.skip(REASON)
    return compile_package(tmp_path_factory.mktemp("assemblies"))


def test_every_file_type_checks_against_unitys_signatures(assemblies):
    names = {path.stem for path in assemblies.glob("*.dll")}
    assert names == {"UnityEngine", "UnityEditor", "TokTalk", "TokTalk.Unity", "TokTalk.Editor", "TokTalk.Samples"}


def test_the_core_knows_nothing_of_unity():
    assert not [path for path in CORE.glob("*.cs") if "UnityEngine" in path.read_text()]
    assert json.loads((CORE / "TokTalk.asmdef").read_text())["noEngineReferences"] is True


@pytest.mark.peer
def test_the_edit_mode_tests_pass_and_those_of_play_mode(assemblies):
    runner = shutil.which("nunit-console")
    if runner is None or not NUNIT.exists():
        pytest.skip("not installed: nunit-console, libnunit-framework2.6.3-cil (Debian packages)")
    sources = [*csharp("Tests/Editor"), *sorted((HERE / "scene").glob("*Tests.cs"))]
    libraries = [f"-r:{path}" for path in [NUNIT, *assemblies.glob("*.dll")]]
    compile_program(sources, assemblies / "TokTalk.Tests.dll", *libraries)
    result = subprocess.run(
        [runner, "-nologo", "-noxml", "TokTalk.Tests.dll"], cwd=assemblies, capture_output=True, text=True, timeout=180
    )
    counts = re.search(r"Tests run: (\d+), Errors: (\d+), Failures: (\d+)", result.stdout)
    assert counts and int(counts[1]) >= 140, result.stdout + result.stderr
    assert (counts[2], counts[3]) == ("0", "0"), result.stdout


def test_every_asset_has_its_meta_and_a_guid_of_its_own(tmp_path):
    sys.path.insert(0, str(META.parent))
    try:
        import meta
    finally:
        sys.path.pop(0)
    guids = {}
    for asset in meta.assets():
        file = asset.with_name(asset.name + ".meta")
        assert file.exists(), f"{file} is missing: run python unity_bridge/Tools~/meta.py"
        guid = re.search(r"^guid: ([0-9a-f]{32})$", file.read_text(), re.MULTILINE)[1]
        assert guids.setdefault(guid, asset) == asset
    left = [path for path in PACKAGE.rglob("*.meta") if not path.with_suffix("").exists()]
    assert not left, "these have nothing beside them"
    for scene in (PACKAGE / "Samples~").rglob("*.unity"):
        named = set(re.findall(r"guid: ([0-9a-f]{32})", scene.read_text()))
        assert named and {guid for guid in named if not guid.startswith("0" * 16)} <= set(guids)


def test_the_manifest_says_what_unity_wants():
    manifest = json.loads((PACKAGE / "package.json").read_text())
    assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", manifest["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert manifest["unity"] == "2021.3"
    assert all((PACKAGE / sample["path"]).is_dir() for sample in manifest["samples"])
    assert f"## [{manifest['version']}]" in (PACKAGE / "CHANGELOG.md").read_text()
    assert (PACKAGE / "LICENSE.md").read_bytes() == (PACKAGE.parent / "LICENSE").read_bytes()


def test_assemblies_name_each_other_rightly():
    files = [json.loads(path.read_text()) for path in PACKAGE.rglob("*.asmdef")]
    names = {file["name"] for file in files}
    for file in files:
        assert {name for name in file["references"] if name.startswith("TokTalk")} <= names
