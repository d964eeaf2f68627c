"""The files that a ROS 2 package puts under share/; all other metadata is in setup.cfg.

The Python version is here because colcon cannot read it from setup.cfg or pyproject.toml.
"""

from glob import glob

from setuptools import setup

PACKAGE = "toktalk_node"

setup(
    python_requires=">=3.10",
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        (f"share/{PACKAGE}/launch", sorted(glob("launch/*.launch.py"))),
        (f"share/{PACKAGE}/config", sorted(glob("launch/config/*.yaml"))),
        (f"share/{PACKAGE}/config/robots", sorted(glob("launch/config/robots/*.yaml"))),
    ],
)
