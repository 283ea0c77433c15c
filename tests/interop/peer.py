# SPDX-License-Identifier: MIT
# What the Python peers share: their command line, what they count, and how a test talks with them. A peer prints one JSON
# object a line: {"joined": participant}, then twice a second what it has decoded so far, by participant. It reads lines:
# `watch PARTICIPANT`, and `leave`, after which it ends.
import argparse
import asyncio
import json
import sys
import threading

import numpy

from hyperty import Hyperty

SECOND = 48000  # samples
LOOK_EVERY = 10  # frames


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--room", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--colour", required=True, help="RRGGBB of the picture that is sent")
    parser.add_argument("--tone", type=int, required=True, help="hertz of the sound that is sent")
    parser.add_argument("--pictures", type=int, default=1, help="to receive at once, on the sendrecv m-line and further ones")
    parser.add_argument("--voices", type=int, default=1, help="the same")
    parser.add_argument("--print-offer", action="store_true", help="on the standard error output")
    return parser.parse_args()


def loudest_tone(samples):
    """Hertz of the loudest tone of this mono sound; 0 if it is silent."""
    if len(samples) < SECOND // 10 or numpy.sqrt(numpy.mean(numpy.square(samples))) < 0.01:
        return 0
    spectrum = numpy.abs(numpy.fft.rfft(samples * numpy.hanning(len(samples))))
    return int(numpy.argmax(spectrum) * SECOND / len(samples))


def colour_of_middle(pixels):
    rows, columns, _ = pixels.shape
    middle = pixels[rows * 2 // 5:rows * 3 // 5, columns * 2 // 5:columns * 3 // 5]
    return [int(value) for value in middle.mean(axis=(0, 1))]


class Heard:
    """What one participant's media have been like."""

    def __init__(self):
        self.frames, self.colour, self.samples, self.last = 0, None, 0, numpy.zeros(0)

    def report(self):
        return {"frames": self.frames, "colour": self.colour, "seconds": self.samples / SECOND, "tone": loudest_tone(self.last)}


class Counter:
    """Counts what comes out of the decoders, on whatever thread they run."""

    def __init__(self, carried):
        self.carried, self.heard, self.lock = carried, {}, threading.Lock()

    def _of(self, mid):
        return self.heard.setdefault(self.carried(mid), Heard())

    def picture(self, mid, pixels):
        """A decoded frame; pixels() gives an array of rows of RGB, and is asked now and then: it is what costs most."""
        with self.lock:
            heard = self._of(mid)
            heard.frames += 1
            if heard.frames % LOOK_EVERY == 1:
                heard.colour = colour_of_middle(pixels())

    def sound(self, mid, samples):
        """Decoded mono sound, from -1 to 1."""
        with self.lock:
            heard = self._of(mid)
            heard.samples += len(samples)
            heard.last = numpy.concatenate([heard.last, samples])[-SECOND // 4:]

    def report(self):
        with self.lock:
            return {participant: heard.report() for participant, heard in self.heard.items() if participant}


def say(message):
    print(json.dumps(message), flush=True)


async def commands(hyperty):
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().split():
        if line[0] == "watch":
            await hyperty.watch(line[1])
        else:
            return


async def reports(counter):
    while True:
        say({"decoded": counter.report()})
        await asyncio.sleep(0.5)


async def live(peer):
    """peer: make_offer(), accept(sdp), close(); it gets `hyperty` and `counter`."""
    choice = options()
    hyperty = peer.hyperty = Hyperty(choice.url, choice.name)
    peer.counter = Counter(lambda mid: hyperty.carried(mid))
    await hyperty.open()
    offer = await peer.make_offer(choice)
    if choice.print_offer:
        print(offer, file=sys.stderr, flush=True)
    answer = await hyperty.join_room(choice.room, offer)
    await peer.accept(answer)
    say({"joined": hyperty.participant})
    reporting = asyncio.create_task(reports(peer.counter))
    try:
        await commands(hyperty)
        await hyperty.leave()
    finally:
        reporting.cancel()
        await peer.close()
    say({"left": True})
