#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# An aiortc client in a room. Its offer is aiortc's own: sendrecv m-lines with their own transports until the answer bundles
# them, candidates inside, AES_CM only, extension ids that differ between the m-lines.
import asyncio
import fractions

import numpy
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError
from av import AudioFrame, AudioResampler, VideoFrame

from peer import SECOND, live

WIDTH, HEIGHT = 320, 180


class Colour(VideoStreamTrack):
    """A colour with a moving square, so that each frame differs."""

    def __init__(self, colour):
        super().__init__()
        self.picture = numpy.full((HEIGHT, WIDTH, 3), list(bytes.fromhex(colour)), dtype=numpy.uint8)

    async def recv(self):
        await self.next_timestamp()  # half its pace: 15 frames a second
        pts, time_base = await self.next_timestamp()
        picture = self.picture.copy()
        at = pts // 3000 * 4 % (WIDTH - 16)
        picture[-20:-4, at:at + 16] = 128
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


class Tone(AudioStreamTrack):
    def __init__(self, hertz):
        super().__init__()
        self.hertz, self.sent = hertz, 0

    async def recv(self):
        await super().recv()  # for its pace
        count = SECOND // 50
        angle = (self.sent + numpy.arange(count)) * 2 * numpy.pi * self.hertz / SECOND
        frame = AudioFrame.from_ndarray((numpy.sin(angle) * 10000).astype(numpy.int16)[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SECOND, self.sent, fractions.Fraction(1, SECOND)
        self.sent += count
        return frame


class Peer:
    async def make_offer(self, choice):
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connection.on("track", lambda track: asyncio.create_task(self._take(track)))
        self.connection.on("iceconnectionstatechange",
                           lambda: asyncio.create_task(self.hyperty.tell_status(self.connection.iceConnectionState)))
        self.connection.addTrack(Tone(choice.tone))
        self.connection.addTrack(Colour(choice.colour))
        for kind in ["audio"] * (choice.voices - 1) + ["video"] * (choice.pictures - 1):
            self.connection.addTransceiver(kind, direction="recvonly")
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def accept(self, answer):
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))

    async def _take(self, track):
        mid = next(line.mid for line in self.connection.getTransceivers() if line.receiver.track is track)
        resampler = AudioResampler(format="s16", layout="mono", rate=SECOND)
        try:
            while True:
                frame = await track.recv()
                if track.kind == "video":
                    self.counter.picture(mid, lambda: frame.to_ndarray(format="rgb24"))
                else:
                    for part in resampler.resample(frame):
                        self.counter.sound(mid, part.to_ndarray()[0] / 32768)
        except MediaStreamError:
            pass  # it has ended

    async def close(self):
        await self.connection.close()


asyncio.run(live(Peer()))
