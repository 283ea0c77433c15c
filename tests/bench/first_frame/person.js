// SPDX-License-Identifier: MIT
// What the pages of both systems share, so that they differ in nothing else: the camera that is open already, and how the first
// frame of somebody else is timed.

const FRAME_MS = 40;

/** @returns {Promise<{stream: MediaStream, draw: (on: boolean) => void}>} a camera and a microphone made in the page */
export async function openDevices() {
    const canvas = document.createElement('canvas');
    canvas.width = 640;
    canvas.height = 360;
    const pen = canvas.getContext('2d');
    let n = 0;
    const paint = () => {
        pen.fillStyle = '#364';
        pen.fillRect(0, 0, 640, 360);
        pen.fillStyle = '#eee';
        pen.fillRect((n = (n + 8) % 600), 160, 40, 40);
    };
    let timer = null;
    const draw = (on) => {
        clearInterval(timer);
        timer = on ? setInterval(paint, FRAME_MS) : null;
    };
    const audio = new AudioContext();
    const tone = audio.createOscillator();
    const sink = audio.createMediaStreamDestination();
    tone.connect(sink);
    tone.start();
    paint();
    draw(true);
    return { stream: new MediaStream([...canvas.captureStream(25).getTracks(), ...sink.stream.getTracks()]), draw };
}

let running = null; // the Stopwatch of this page

for (const method of ['createOffer', 'createAnswer', 'setLocalDescription', 'setRemoteDescription']) {
    const original = RTCPeerConnection.prototype[method];
    RTCPeerConnection.prototype[method] = async function (...args) {
        running?.mark(`${method} begins`);
        const result = await original.apply(this, args);
        running?.mark(`${method} ends`);
        return result;
    };
}

/** Times from one start on. */
export class Stopwatch {
    #start = performance.now();
    /** @type {Object<string, number>} milliseconds by what happened */
    marks = {};

    constructor() {
        running = this;
    }

    mark(what) {
        this.marks[what] ??= performance.now() - this.#start;
    }

    /** What a connection does on its way. */
    follow(connection, prefix = '') {
        connection.addEventListener('iceconnectionstatechange', () => this.mark(`${prefix}ice ${connection.iceConnectionState}`));
        connection.addEventListener('connectionstatechange', () => this.mark(`${prefix}${connection.connectionState}`));
    }
}

/**
 * A video element of the page that plays a stream.
 * @param {MediaStream} stream
 * @returns {Promise<void>} when its first frame is presented
 */
export function firstFrame(stream) {
    const video = document.createElement('video');
    video.muted = video.autoplay = true;
    video.srcObject = stream;
    document.body.append(video);
    return new Promise((resolve) => video.requestVideoFrameCallback(() => resolve()));
}
