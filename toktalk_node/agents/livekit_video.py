"""The drawn face as video in a LiveKit room: a VideoGenerator for livekit-agents' AvatarRunner.

    runner = AvatarRunner(room, audio_recv=receiver, video_gen=FaceVideo(), options=FaceVideo.OPTIONS)
    await runner.start()

The runner paces what comes out of here: sound and pictures of the same instant follow each other, and its synchronizer
plays them. Decoding and drawing happen in a thread of their own.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from livekit import rtc
from livekit.agents.voice.avatar import AudioSegmentEnd, AvatarOptions, VideoGenerator

from toktalk_node.agents.speaker import load_session
from toktalk_node.face.renderer import HeadRenderer
from toktalk_node.face.rest import REST
from toktalk_node.signals import NANOSECONDS, FaceChunk
from toktalk_node.stream.session import LIVE_PRESET, Session

_BACKLOG = 10.0
"""Seconds of sound with its face that wait; `push_audio` waits for room."""
_BEHIND = 0.1
"""Seconds that pictures may be behind the sound before one is shown again in place of a new one."""


@dataclass(eq=False)
class _Segment:
    """Speech on its way: sound int16 [n], and the poses [55] of its face, which comes after it."""

    rate: int
    sound: deque[np.ndarray] = field(default_factory=deque)
    poses: deque[np.ndarray] = field(default_factory=deque)
    received: int = 0
    given: int = 0
    """Samples."""
    pictures: int = 0
    finished: bool = False

    def take(self, count: int) -> np.ndarray:
        """The next samples, `count` or what is left."""
        parts, need = [np.zeros(0, np.int16)], count
        while need > 0 and self.sound:
            part = self.sound.popleft()
            if len(part) > need:
                part, rest = np.split(part, [need])
                self.sound.appendleft(rest)
            parts.append(part)
            need -= len(part)
        self.given += count - need
        return np.concatenate(parts)


class FaceVideo(VideoGenerator):
    """Speech in, sound and pictures of the speaking face out; at rest between.

    Args:
        options: size, frame rate (a divisor of 50 is drawn evenly) and sound of the video.
        session: who decodes; None loads `preset` with `style`, in the thread; where that fails, `push_audio` says why.
        threads: threads that PyTorch may use, see FaceSpeaker.
    """

    OPTIONS = AvatarOptions(video_width=320, video_height=320, video_fps=25, audio_sample_rate=24_000, audio_channels=1)

    def __init__(
        self,
        options: AvatarOptions = OPTIONS,
        *,
        session: Session | None = None,
        preset: str = LIVE_PRESET,
        style: str = "",
        threads: int = 1,
    ) -> None:
        self.options = options
        self._session, self._load = session, partial(load_session, preset, style, threads)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="toktalk-video")
        self._renderer = HeadRenderer(options.video_width, options.video_height)
        self._segments: deque[_Segment] = deque()
        self._resting: deque[np.ndarray] = deque()
        """Poses on the way to rest after an interruption."""
        self._open = False
        """Whether the newest segment takes more sound."""
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._picture: rtc.VideoFrame | None = None
        """The latest."""
        self._began: float | None = None
        """When the segment's first picture would have been given had it never waited, on the monotonic clock."""
        self._executor.submit(self._loaded)

    async def push_audio(self, frame: rtc.AudioFrame | AudioSegmentEnd) -> None:
        """Take speech; waits while much of it is not shown yet. Raises ValueError for another rate than promised."""
        if isinstance(frame, AudioSegmentEnd):
            if self._open:
                self._open = False
                segment = self._segments[-1]
                self._add(segment, await self._run(lambda: self._loaded().finish()))
                segment.finished = True
                self._news.set()
            return
        if frame.sample_rate != self.options.audio_sample_rate:
            raise ValueError(f"sound of {frame.sample_rate} Hz; the options say {self.options.audio_sample_rate} Hz")
        while self._open and self._waiting > _BACKLOG:
            self._room.clear()
            await self._room.wait()
        if not self._open:
            self._segments.append(_Segment(frame.sample_rate))
            self._open = True
        segment = self._segments[-1]
        pcm = np.frombuffer(frame.data, np.int16).reshape(-1, frame.num_channels)
        pcm = pcm[:, 0] if frame.num_channels == 1 else pcm.mean(axis=1).astype(np.int16)
        segment.sound.append(pcm)
        segment.received += len(pcm)
        self._add(segment, await self._run(lambda: self._loaded().push_audio(pcm, frame.sample_rate)))

    async def clear_buffer(self) -> None:
        """Interruption: what was not given out is dropped, and the face comes to rest."""
        segments, self._open = list(self._segments), False
        self._segments.clear()
        self._room.set()
        if segments:
            played_ns = segments[0].given * NANOSECONDS // segments[0].rate
            answer = await self._run(lambda: self._loaded().interrupt(played_ns))
            self._resting = deque(_poses(answer.rest))
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[rtc.VideoFrame | rtc.AudioFrame | AudioSegmentEnd]:
        """Pictures and sound in turn, without an end; the runner paces them."""
        step = self.options.audio_sample_rate / self.options.video_fps
        while True:
            segment = self._segments[0] if self._segments else None
            if segment is None or not self._ready(segment):
                self._began = None
                yield await self._waited()
                continue
            shown = time.monotonic() - segment.pictures / self.options.video_fps
            self._began = shown if self._began is None else self._began
            if shown - self._began < _BEHIND or self._picture is None:
                pose = segment.poses[0]
                self._picture = await self._run(lambda pose=pose: self._drawn(pose))
            if not self._segments or self._segments[0] is not segment:
                continue  # it was interrupted meanwhile
            segment.pictures += 1
            sound = segment.take(round(segment.pictures * step) - segment.given)
            self._drop_poses(segment)
            self._room.set()
            yield self._picture
            if len(sound):
                yield rtc.AudioFrame(sound.tobytes(), segment.rate, 1, len(sound))
            if segment.finished and not segment.sound:
                self._resting = segment.poses
                self._segments.popleft()
                self._began = None
                yield AudioSegmentEnd()

    def close(self) -> None:
        """End the thread."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    @property
    def _waiting(self) -> float:
        return sum(segment.received - segment.given for segment in self._segments) / self.options.audio_sample_rate

    def _ready(self, segment: _Segment) -> bool:
        """Whether the next picture and all its sound are there."""
        return bool(segment.poses) and (
            segment.finished or segment.received - segment.given >= segment.rate // self.options.video_fps + 1
        )

    def _drop_poses(self, segment: _Segment) -> None:
        """Poses before the next picture are over; the last one stays until a newer comes."""
        fps = self._loaded().fps
        over = round(segment.pictures * fps / self.options.video_fps) - round(
            (segment.pictures - 1) * fps / self.options.video_fps
        )
        for _ in range(min(over, len(segment.poses) - (not segment.finished))):
            segment.poses.popleft()

    async def _waited(self) -> rtc.VideoFrame:
        """A picture while nobody speaks: on the way to rest, then at rest."""
        if self._resting:
            pose = self._resting[0]
            skip = max(round(50 / self.options.video_fps), 1)
            for _ in range(min(skip, len(self._resting))):
                self._resting.popleft()
            self._picture = await self._run(lambda: self._drawn(pose))
        elif self._picture is None:
            self._picture = await self._run(lambda: self._drawn(REST))
        self._news.clear()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._news.wait(), 0.5 / self.options.video_fps)
        return self._picture

    def _add(self, segment: _Segment, chunk: FaceChunk) -> None:
        if self._segments and self._segments[-1] is segment:
            segment.poses.extend(_poses(chunk))
            self._news.set()

    def _loaded(self) -> Session:
        """The session, in the executor's thread."""
        if self._session is None:
            self._session = self._load()
        return self._session

    def _drawn(self, pose: np.ndarray) -> rtc.VideoFrame:
        rgb = self._renderer.render(pose[:52], pose[52:])
        rgba = np.concatenate([rgb, np.full((*rgb.shape[:2], 1), 255, np.uint8)], axis=2)
        return rtc.VideoFrame(rgb.shape[1], rgb.shape[0], rtc.VideoBufferType.RGBA, rgba.tobytes())

    async def _run(self, work: object) -> object:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


def _poses(chunk: FaceChunk) -> np.ndarray:
    """Poses [n, 55]."""
    return np.concatenate([chunk.weights, chunk.head], axis=1)
