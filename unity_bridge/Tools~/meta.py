"""Writes the .meta files that Unity wants beside every asset and folder: ``python unity_bridge/Tools~/meta.py``.

A package installed by git URL cannot be written to, so Unity ignores what has none. A file that has its .meta keeps it;
a new one gets a GUID made from its path, so that two people who add the same file agree.
"""

import hashlib
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1]

HEAD = "fileFormatVersion: 2\nguid: {guid}\n"
TAIL = "  userData: \n  assetBundleName: \n  assetBundleVariant: \n"
PLAIN = "{importer}:\n  externalObjects: {{}}\n" + TAIL
SCRIPT = (
    "MonoImporter:\n  externalObjects: {{}}\n  serializedVersion: 2\n  defaultReferences: []\n"
    "  executionOrder: {order}\n  icon: {{instanceID: 0}}\n" + TAIL
)
IMPORTERS = {
    ".asmdef": "AssemblyDefinitionImporter",
    ".asset": "NativeFormatImporter",
    ".bytes": "TextScriptImporter",
    ".md": "TextScriptImporter",
    ".shader": "ShaderImporter",
    ".unity": "DefaultImporter",
}


def assets() -> list[Path]:
    """Every file and folder that Unity imports, and those of the samples, which are copied into a project."""
    found = []
    for path in sorted(PACKAGE.rglob("*")):
        parts = path.relative_to(PACKAGE).parts
        hidden = any(part.startswith(".") or (part.endswith("~") and part != "Samples~") for part in parts)
        if not hidden and path.suffix != ".meta" and parts != ("Samples~",):
            found.append(path)
    return found


def text(path: Path) -> str:
    """The .meta of `path`."""
    name = path.relative_to(PACKAGE).as_posix()
    head = HEAD.format(guid=hashlib.md5(f"toktalk/{name}".encode()).hexdigest())
    if path.is_dir():
        return head + "folderAsset: yes\n" + PLAIN.format(importer="DefaultImporter")
    if path.suffix == ".cs":
        return head + SCRIPT.format(order=0)
    if path.name == "package.json":
        return head + PLAIN.format(importer="PackageManifestImporter")
    return head + PLAIN.format(importer=IMPORTERS[path.suffix])


if __name__ == "__main__":
    for path in assets():
        meta = path.with_name(path.name + ".meta")
        if not meta.exists():
            meta.write_text(text(path))
            print(meta.relative_to(PACKAGE))
    for meta in sorted(PACKAGE.rglob("*.meta")):
        if not meta.with_suffix("").exists():
            sys.exit(f"{meta} has no file beside it any more: delete it")
