"""A ROS4HRI graph: expressions that change the decoder's style, action units of the robot's face.

python -m tests.nodes.hri      # in the environment of `other_messages.built("hri_msgs", MESSAGES, folder)`
"""

import json
import time

MAIN_CODES = """
    NEUTRAL_FACE=0 INNER_BROW_RAISER=1 OUTER_BROW_RAISER=2 BROW_LOWERER=4 UPPER_LID_RAISER=5 CHEEK_RAISER=6
    LID_TIGHTENER=7 LIPS_TOWARD_EACH_OTHER=8 NOSE_WRINKLER=9 UPPER_LIP_RAISER=10 LIP_CORNER_PULLER=12 DIMPLER=14
    LIP_CORNER_DEPRESSOR=15 LOWER_LIP_DEPRESSOR=16 CHIN_RAISER=17 LIP_PUCKER=18 TONGUE_SHOW=19 LIP_STRETCHER=20
    LIP_FUNNELER=22 LIP_PRESSOR=24 LIPS_PART=25 JAW_DROP=26 MOUTH_STRETCH=27 LIP_SUCK=28 JAW_THRUST=29 JAW_SIDEWAYS=30
    CHEEK_PUFF=34 BLINK=45 WINK=46 HEAD_TURN_LEFT=51 HEAD_TURN_RIGHT=52 HEAD_UP=53 HEAD_DOWN=54 HEAD_TILT_LEFT=55
    HEAD_TILT_RIGHT=56 EYES_TURN_LEFT=61 EYES_TURN_RIGHT=62 EYES_UP=63 EYES_DOWN=64 WALLEYE=65 CROSS_EYE=66
"""
LABELS = """
    neutral angry sad happy surprised disgusted scared pleading vulnerable despaired guilty disappointed embarrassed
    horrified skeptical annoyed furious suspicious rejected bored tired asleep confused amazed excited
""".split()
MESSAGES = {
    "FacialActionUnits": "\n".join(
        ["std_msgs/Header header", *(f"uint8 {code}" for code in MAIN_CODES.split()), "float32[99] intensity",
         "float32[99] confidence"]
    ),
    "Expression": "\n".join(
        ["std_msgs/Header header", *(f'string {label.upper()}="{label}"' for label in LABELS), "string expression",
         "float32 valence", "float32 arousal", "float32 confidence"]
    ),
}  # fmt: skip
"""hri_msgs of ROS4HRI, branch humble-devel: its fields, every label, and the constants of what ARKit can show."""


def main() -> None:
    """Send expressions and a face; print what the decoder and the action units made of them as one line of JSON."""
    import numpy as np
    from hri_msgs.msg import Expression, FacialActionUnits
    from toktalk_msgs.msg import BlendShapes

    from tests.nodes.graph import Graph
    from toktalk_node.face.expressions import style_of
    from toktalk_node.nodes import conversions
    from toktalk_node.nodes.parameters import STREAM_QOS
    from toktalk_node.nodes.robot_face import RobotFaceNode
    from toktalk_node.nodes.toktalk import ToktalkNode

    graph = Graph()
    try:
        decoder = graph.up(ToktalkNode, steps=1)
        graph.up(RobotFaceNode, map="jaw2", expressions=True, action_units=True)
        listener = graph.listener
        came: list[FacialActionUnits] = []
        listener.create_subscription(FacialActionUnits, "robot_face/facs", came.append, STREAM_QOS)
        expressions = listener.create_publisher(Expression, "robot_face/expression", STREAM_QOS)
        faces = listener.create_publisher(BlendShapes, "face/blendshapes", STREAM_QOS)
        graph.wait(lambda: expressions.get_subscription_count() and faces.get_subscription_count())
        styles = []
        for message in (
            Expression(expression=Expression.HAPPY),
            Expression(expression="grumpy"),
            Expression(valence=-0.5, arousal=-0.3),
            Expression(expression=Expression.NEUTRAL),
        ):
            before = decoder.get_parameter("style").value
            deadline = time.monotonic() + (1.0 if message.expression == "grumpy" else 10.0)
            expressions.publish(message)
            while decoder.get_parameter("style").value == before and time.monotonic() < deadline:
                time.sleep(0.1)
            styles.append(decoder.get_parameter("style").value)
        for label in LABELS:  # faster than the decoder answers: the last one counts
            expressions.publish(Expression(expression=label))
        graph.wait(lambda: decoder.get_parameter("style").value == style_of(LABELS[-1]), what="the last label is lost")
        weights, head = np.zeros(52, np.float32), np.array([0.2, 0.0, 0.0], np.float32)
        weights[[BlendShapes.JAW_OPEN, BlendShapes.MOUTH_SMILE_LEFT, BlendShapes.BROW_INNER_UP]] = 0.5, 0.75, 0.25
        for frame in range(50):
            stamp_ns = listener.get_clock().now().nanoseconds
            faces.publish(conversions.face_message(weights, head, frame, 50, stamp_ns))
            time.sleep(0.02)
        seen = max(came, key=lambda message: message.intensity[FacialActionUnits.JAW_DROP])
        names = "JAW_DROP LIPS_PART LIP_CORNER_PULLER INNER_BROW_RAISER HEAD_TURN_LEFT HEAD_TURN_RIGHT BLINK".split()
        units = {name: round(float(seen.intensity[getattr(FacialActionUnits, name)]), 3) for name in names}
        sure = [name for name in names if seen.confidence[getattr(FacialActionUnits, name)] == 1.0]
        graph.wait(lambda: not any(came[-1].intensity), what="the action units do not rest")
        print(json.dumps({"styles": styles, "units": units, "sure": sure == names}), flush=True)
    finally:
        graph.close()


if __name__ == "__main__":
    main()
