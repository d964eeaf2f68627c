"""Makes small VRM files of the true format (VRM 0.x and 1.0) out of the project's own head.

Specification: https://github.com/vrm-c/vrm-specification, `VRM` (0.0) and `VRMC_vrm-1.0`. The head hangs in a skeleton
that has every bone the format asks for; its morph targets bear numbers, so that only expressions say what they are.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from toktalk_node.face.arkit import BLENDSHAPES
from toktalk_node.face.head import HEAD_FILE

LEFT_OUT = ("browInnerUp", "tongueOut")
PERFECT: dict[str, dict[str, float]] = {
    name[0].upper() + name[1:]: {name: 1.0} for name in BLENDSHAPES if name not in LEFT_OUT
}
"""Perfect-sync expressions as artists name them, with two that somebody forgot."""
PRESETS: dict[str, dict[str, float]] = {
    "aa": {"jawOpen": 0.7},
    "ih": {"mouthStretchLeft": 0.6, "mouthStretchRight": 0.6, "jawOpen": 0.1},
    "ou": {"mouthPucker": 1.0},
    "ee": {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5, "jawOpen": 0.25},
    "oh": {"mouthFunnel": 0.9, "jawOpen": 0.3},
    "blink": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    "blinkLeft": {"eyeBlinkLeft": 1.0},
    "blinkRight": {"eyeBlinkRight": 1.0},
}
OLD_NAMES = {"aa": "a", "ih": "i", "ou": "u", "ee": "e", "oh": "o", "blinkLeft": "blink_l", "blinkRight": "blink_r"}
BONES = """
    hips spine chest neck leftUpperArm leftLowerArm leftHand rightUpperArm rightLowerArm rightHand
    leftUpperLeg leftLowerLeg leftFoot rightUpperLeg rightLowerLeg rightFoot leftEye rightEye
""".split()


def write_vrm(path: Path, version: str, expressions: Mapping[str, Mapping[str, float]]) -> None:
    """Write the head with `expressions` (name -> ARKit target -> weight) as VRM `version` "0.0" or "1.0"."""
    data = HEAD_FILE.read_bytes()
    length = int.from_bytes(data[12:16], "little")
    document, binary = json.loads(data[20 : 20 + length]), data[20 + length :]
    nodes = document["nodes"]
    targets: dict[str, list[tuple[int, int, int]]] = {}
    for node, item in enumerate(nodes):
        mesh = item.get("mesh")
        names = document["meshes"][mesh].get("extras", {}).get("targetNames", []) if mesh is not None else []
        for index, name in enumerate(names):
            targets.setdefault(name, []).append((node, mesh, index))
        if names:
            document["meshes"][mesh]["extras"]["targetNames"] = [f"shape{k}" for k in range(len(names))]
    bones = {"head": 0}
    for bone in BONES:
        bones[bone] = len(nodes)
        nodes.append({"name": f"J_{bone}", "children": []})
    chain = ["hips", "spine", "chest", "neck", "head"]
    for parent, child in zip(chain, chain[1:], strict=False):
        nodes[bones[parent]]["children"].append(bones[child])
    for bone in BONES[4:16]:
        nodes[bones["chest" if "Arm" in bone or "Hand" in bone else "hips"]]["children"].append(bones[bone])
    nodes[0]["children"] += [bones["leftEye"], bones["rightEye"]]
    root: dict = {"name": "root", "children": [bones["hips"], 1]}
    if version == "0.0":
        root["rotation"] = [0, 1, 0, 0]  # models of 0.x look along -Z
    document["scenes"] = [{"nodes": [len(nodes)]}]
    nodes.append(root)
    name, extension = _old(bones, targets, expressions) if version == "0.0" else _new(bones, targets, expressions)
    document["extensionsUsed"].append(name)
    document["extensions"] = {name: extension}
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    words = np.array([0x46546C67, 2, 20 + len(text) + len(binary), len(text), 0x4E4F534A], "<u4").tobytes()
    path.write_bytes(words + text + binary)


def _new(bones: Mapping[str, int], targets: Mapping, expressions: Mapping) -> tuple[str, dict]:
    made = {
        name: {
            "morphTargetBinds": [
                {"node": node, "index": index, "weight": weight}
                for target, weight in parts.items()
                for node, _, index in targets[target]
            ]
        }
        for name, parts in expressions.items()
    }
    ranges = {"inputMaxValue": 90.0, "outputScale": 30.0}
    kinds = ("HorizontalInner", "HorizontalOuter", "VerticalDown", "VerticalUp")
    return "VRMC_vrm", {
        "specVersion": "1.0",
        "meta": {"name": "test", "authors": ["TokTalk"], "licenseUrl": "https://vrm.dev/licenses/1.0/"},
        "humanoid": {"humanBones": {bone: {"node": node} for bone, node in bones.items()}},
        "expressions": {
            "preset": {name: made[name] for name in made if name in PRESETS},
            "custom": {name: made[name] for name in made if name not in PRESETS},
        },
        "lookAt": {"type": "bone", "offsetFromHeadBone": [0, 0.06, 0], **{f"rangeMap{kind}": ranges for kind in kinds}},
    }


def _old(bones: Mapping[str, int], targets: Mapping, expressions: Mapping) -> tuple[str, dict]:
    groups = [
        {
            "name": OLD_NAMES.get(name, name).upper() if name in PRESETS else name,
            "presetName": OLD_NAMES.get(name, name) if name in PRESETS else "unknown",
            "binds": [
                {"mesh": mesh, "index": index, "weight": 100 * weight}
                for target, weight in parts.items()
                for _, mesh, index in targets[target]
            ],
            "materialValues": [],
            "isBinary": False,
        }
        for name, parts in expressions.items()
    ]
    curve = {"curve": [0, 0, 0, 1, 1, 1, 1, 0], "xRange": 90, "yRange": 30}
    kinds = ("HorizontalInner", "HorizontalOuter", "VerticalDown", "VerticalUp")
    return "VRM", {
        "exporterVersion": "TokTalk tests",
        "specVersion": "0.0",
        "meta": {"title": "test", "author": "TokTalk", "licenseName": "Other"},
        "humanoid": {
            "humanBones": [{"bone": bone, "node": node, "useDefaultValues": True} for bone, node in bones.items()]
        },
        "firstPerson": {
            "firstPersonBone": bones["head"],
            "firstPersonBoneOffset": {"x": 0, "y": 0.06, "z": 0},
            "meshAnnotations": [],
            "lookAtTypeName": "Bone",
            **{f"lookAt{kind}": curve for kind in kinds},
        },
        "blendShapeMaster": {"blendShapeGroups": groups},
        "secondaryAnimation": {"boneGroups": [], "colliderGroups": []},
        "materialProperties": [],
    }
