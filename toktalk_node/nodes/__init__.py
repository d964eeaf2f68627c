"""ROS 2 lifecycle nodes: the only part of the package that imports rclpy."""
