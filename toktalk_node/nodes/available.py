"""Whether the nodes can run on this machine. Asked by commands that work, or say what to do, without ROS."""

import os
from importlib import import_module, metadata


def ros_problem() -> str:
    """Why ROS 2 cannot be used; empty where it can."""
    try:
        import_module("rclpy")
    except ImportError as error:
        return str(error)
    return ""


def messages_problem() -> str:
    """Why TokTalk's messages cannot be used; empty where they can."""
    try:
        import_module("toktalk_msgs.msg").BlendShapes()
    except Exception as error:  # a package built for another ROS fails in many ways
        return str(error)
    return ""


def ros_name() -> str:
    """The ROS 2 that is here, for people."""
    return os.environ.get("ROS_DISTRO") or f"Kilted from PyPI (rclpy {metadata.version('ros-rclpy')})"
