"""The files that a ROS 2 package puts under share/; all other metadata is in setup.cfg."""

from glob import glob

from setuptools import setup

PACKAGE = "toktalk_node"

setup(
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        (f"share/{PACKAGE}/launch", sorted(glob("launch/*.launch.py"))),
        (f"share/{PACKAGE}/config", sorted(glob("launch/config/*.yaml"))),
    ],
)
