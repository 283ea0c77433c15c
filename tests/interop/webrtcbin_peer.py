#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# A GStreamer webrtcbin client in a room. Its offer is webrtcbin's own: sendrecv m-lines, port 0 and bundle-only on all but
# the first, no candidates inside, AES_CM only, no header extensions, no audio levels, no RTX, VP8 without picture ids.
#
# webrtcbin works on threads of its own; what it tells is handed to the asyncio loop.
import asyncio
import sys

import gi
import numpy

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import Gst, GstSdp, GstWebRTC  # noqa: E402

from peer import SECOND, live  # noqa: E402

STEP_S = 60  # its offer waits for an RSA key, which takes a busy machine seconds
VIDEO = "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000"
AUDIO = "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000"
SEND = """webrtcbin name=peer bundle-policy=max-bundle
    audiotestsrc is-live=true wave=sine volume=0.3 freq={tone} ! audioconvert ! opusenc ! rtpopuspay ! queue ! {audio} ! peer.
    videotestsrc is-live=true pattern=solid-color foreground-color=0xff{colour} ! video/x-raw,width=320,height=180,framerate=15/1 !
        videoconvert ! vp8enc deadline=1 target-bitrate=300000 ! rtpvp8pay ! queue ! {video} ! peer."""
PLAY = {
    "video": "rtpvp8depay ! vp8dec ! videoconvert ! video/x-raw,format=RGB ! appsink name=sink sync=false emit-signals=true",
    "audio": f"rtpopusdepay ! opusdec ! audioconvert ! audio/x-raw,format=S16LE,channels=1,rate={SECOND} ! "
             "appsink name=sink sync=false emit-signals=true",
}


def pixels_of(sample, data):
    shape = sample.get_caps().get_structure(0)
    width, height = shape.get_value("width"), shape.get_value("height")
    rows = numpy.frombuffer(data, numpy.uint8).reshape(height, -1)  # padded to a multiple of four bytes
    return rows[:, :width * 3].reshape(height, width, 3)


class Peer:
    async def make_offer(self, choice):
        self.loop = asyncio.get_running_loop()
        self.replies = []
        Gst.init(None)
        self.pipeline = Gst.parse_launch(SEND.format(tone=choice.tone, colour=choice.colour, audio=AUDIO, video=VIDEO))
        self.webrtc = self.pipeline.get_by_name("peer")
        self.ice = self.webrtc.get_property("ice-agent")  # kept: Python takes the only reference over
        self.ice.get_property("agent").set_property("upnp", False)
        for caps in [AUDIO] * (choice.voices - 1) + [VIDEO] * (choice.pictures - 1):
            self.webrtc.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, Gst.Caps.from_string(caps))
        self.webrtc.connect("pad-added", self._take)
        self.webrtc.connect("notify::ice-connection-state", self._ice_changed)
        needed = self.loop.create_future()
        self.webrtc.connect("on-negotiation-needed", lambda _: self._soon(lambda: needed.done() or needed.set_result(None)))
        self.pipeline.set_state(Gst.State.PLAYING)
        self.watching = asyncio.create_task(self._watch_errors())
        await asyncio.wait_for(needed, STEP_S)
        offer = await self._ask("create-offer", None, "offer")
        await self._ask("set-local-description", offer)
        return offer.sdp.as_text()

    def _soon(self, call):
        self.loop.call_soon_threadsafe(call)

    async def _ask(self, action, argument, wanted=None):
        """The answer's field of that name. Python does not copy it: it lives as long as the whole answer, which is kept."""
        promise = Gst.Promise.new()
        self.webrtc.emit(action, argument, promise)
        await asyncio.wait_for(self.loop.run_in_executor(None, promise.wait), STEP_S)
        reply = promise.get_reply()
        self.replies.append(reply)
        if reply is not None and reply.has_field("error"):
            raise RuntimeError(f"{action}: {reply.to_string()}")
        return reply.get_value(wanted) if wanted else None

    async def accept(self, answer):
        _, sdp = GstSdp.SDPMessage.new_from_text(answer)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        await self._ask("set-remote-description", description)

    def _ice_changed(self, webrtc, _):
        status = webrtc.get_property("ice-connection-state").value_nick
        self._soon(lambda: asyncio.create_task(self.hyperty.tell_status(status)))

    def _take(self, _, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        kind = pad.get_current_caps().get_structure(0).get_value("media")
        mid = pad.get_property("transceiver").get_property("mid")
        branch = Gst.parse_bin_from_description(PLAY[kind], True)
        branch.get_by_name("sink").connect("new-sample", self._decoded, kind, mid)
        self.pipeline.add(branch)
        pad.link(branch.get_static_pad("sink"))
        branch.sync_state_with_parent()

    def _decoded(self, sink, kind, mid):
        sample = sink.emit("pull-sample")
        with sample.get_buffer().map(Gst.MapFlags.READ) as content:
            if kind == "video":
                self.counter.picture(mid, lambda: pixels_of(sample, content.data))
            else:
                self.counter.sound(mid, numpy.frombuffer(content.data, numpy.int16) / 32768)
        return Gst.FlowReturn.OK

    async def _watch_errors(self):
        bus = self.pipeline.get_bus()
        while True:
            message = bus.pop_filtered(Gst.MessageType.ERROR)
            if message:
                print(*message.parse_error(), file=sys.stderr, flush=True)
            await asyncio.sleep(0.2)

    async def close(self):
        self.watching.cancel()
        await self.loop.run_in_executor(None, self.pipeline.set_state, Gst.State.NULL)


asyncio.run(live(Peer()))
