"""A session of known answers that costs nothing: jawOpen is the index of the frame / 1000."""

import numpy as np

from toktalk_node.face.rest import to_rest
from toktalk_node.signals import NANOSECONDS, FaceChunk
from toktalk_node.stream import Interruption, SessionStats

JAW = 17
REST_FRAMES = 10


class CountingSession:
    """Gives frames in chunks of four with 0.2 s of look-ahead, as the model that ships does."""

    fps = 50
    look_ahead = 0.2

    def __init__(self) -> None:
        self.stats = SessionStats()
        self.styles: list[str] = []
        self.pushed: list[np.ndarray] = []
        self.reset()

    def reset(self) -> None:
        self.samples, self.frame, self.rate, self.over = 0, 0, 0, False

    def set_style(self, style: str) -> None:
        if style == "nobody":
            raise ValueError("no style 'nobody'")
        self.styles.append(style)

    def push_audio(self, pcm: np.ndarray, rate: int) -> FaceChunk:
        if self.over:
            self.reset()
        if self.rate and rate != self.rate:
            raise ValueError(f"the stream's rate is {self.rate} Hz, not {rate}")
        self.pushed.append(pcm)
        self.samples, self.rate = self.samples + len(pcm), rate
        return self._give(max(self.samples * self.fps // rate - 10, 0) // 4 * 4)

    def finish(self) -> FaceChunk:
        self.over = True
        return self._give(max(-(-self.samples * self.fps // max(self.rate, 1)), self.frame) + REST_FRAMES)

    def interrupt(self, played_ns: int | None = None) -> Interruption:
        given, resting = self.frame, self.over
        played = given if played_ns is None else min(played_ns * self.fps // NANOSECONDS, given)
        self.over, self.frame = True, played
        if resting and played == given:
            return Interruption(played, 0, FaceChunk(np.zeros((0, 52)), np.zeros((0, 3)), self.fps, played))
        self.frame = played + REST_FRAMES
        pose = np.zeros(55, np.float32)
        pose[JAW] = (played - 1) / 1000
        rest = to_rest(pose, REST_FRAMES, self.fps, REST_FRAMES / self.fps)
        return Interruption(played, given - played, FaceChunk(rest[:, :52], rest[:, 52:], self.fps, played))

    def _give(self, end: int) -> FaceChunk:
        start, self.frame = self.frame, max(end, self.frame)
        weights = np.zeros((self.frame - start, 52), np.float32)
        weights[:, JAW] = np.arange(start, self.frame) / 1000
        return FaceChunk(weights, np.zeros((len(weights), 3), np.float32), self.fps, start)
