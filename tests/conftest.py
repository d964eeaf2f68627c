"""What every test shares: one thread of torch, a ROS graph that stays on this machine, and a Ctrl-C that works."""

import os
import signal

os.environ.setdefault("OMP_NUM_THREADS", "1")
# A domain of this run's own, so that nothing else on the machine or its network joins the graph.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 50)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
if os.environ.get("ROS_DISTRO") == "humble":
    os.environ["ROS_LOCALHOST_ONLY"] = "1"

# A shell that starts the tests in the background lets them ignore SIGINT, and every process they start as well.
signal.signal(signal.SIGINT, signal.default_int_handler)
