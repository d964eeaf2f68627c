"""Messages of other packages, built for real with colcon from their definitions."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_OURS = Path(__file__).parents[2] / "ros2_ws" / "src" / "toktalk_msgs"
_CMAKE = """cmake_minimum_required(VERSION 3.19)
project({package})
include({cmake}/drop_missing_includes.cmake)
find_package(ament_cmake REQUIRED)
find_package(rosidl_default_generators REQUIRED)
find_package(std_msgs REQUIRED)
rosidl_generate_interfaces(${{PROJECT_NAME}} {files} DEPENDENCIES std_msgs)
ament_package()
"""
_PACKAGE = """<package format="3">
  <name>{package}</name><version>0.0.0</version><description>For tests.</description>
  <maintainer email="nobody@toktalk.invalid">nobody</maintainer><license>none</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  <depend>std_msgs</depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""


def built(package: str, messages: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Build `messages`, name -> definition, in `folder`; the environment in which Python finds `package`.msg."""
    source, prefix = folder / "src", folder / "install"
    (source / "msg").mkdir(parents=True)
    for name, fields in messages.items():
        (source / "msg" / f"{name}.msg").write_text(fields + "\n")
    files = " ".join(f'"msg/{name}.msg"' for name in messages)
    (source / "CMakeLists.txt").write_text(_CMAKE.format(package=package, cmake=_OURS / "cmake", files=files))
    (source / "package.xml").write_text(_PACKAGE.format(package=package))
    ros = os.environ.get("AMENT_PREFIX_PATH") or sys.prefix
    env = os.environ | {"AMENT_PREFIX_PATH": ros, "CMAKE_PREFIX_PATH": ros, "MAKEFLAGS": f"-j{os.cpu_count()}"}
    command = [sys.executable, "-m", "colcon", "build", "--base-paths", source, "--merge-install", "--cmake-args",
               "-DBUILD_TESTING=OFF", f"-DPython3_EXECUTABLE={sys.executable}"]  # fmt: skip
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (modules,) = prefix.glob(f"**/{package}/msg/__init__.py")

    def before(name: str, first: Path) -> dict[str, str]:
        return {name: os.pathsep.join(filter(None, [str(first), os.environ.get(name, "")]))}

    return {
        **os.environ,
        "AMENT_PREFIX_PATH": os.pathsep.join([str(prefix), ros]),
        **before("LD_LIBRARY_PATH", prefix / "lib"),
        **before("PYTHONPATH", modules.parents[2]),
    }
