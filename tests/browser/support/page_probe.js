// SPDX-License-Identifier: MIT
// Runs in each test page before anything else: gives the page a colour and a tone to send, counts its offers, and measures what
// its tiles show and sound like. Options come in globalThis.probeOptions.
globalThis.probe = (() => {
    const { devices, colour, tone } = globalThis.probeOptions;
    const probe = { offers: 0, connections: 0, tones: [500, 900, 1400, 2100, 2900] };

    const setLocalDescription = globalThis.RTCPeerConnection?.prototype.setLocalDescription;
    if (setLocalDescription)
        RTCPeerConnection.prototype.setLocalDescription = function (...args) {
            probe.offers++;
            return setLocalDescription.apply(this, args);
        };

    if (setLocalDescription)
        globalThis.RTCPeerConnection = class extends RTCPeerConnection {
            constructor(...args) {
                super(...args);
                probe.connections++;
            }
        };

    // ---------------------------------------------------------------- what the page sends
    let context = null;
    const audio = () => (context ??= new AudioContext());

    function ownDevices() {
        const canvas = document.createElement('canvas');
        canvas.width = 320;
        canvas.height = 180;
        const pen = canvas.getContext('2d');
        let n = 0;
        setInterval(() => { // a small moving square, so that each frame differs
            pen.fillStyle = `rgb(${colour})`;
            pen.fillRect(0, 0, 320, 180);
            pen.fillStyle = '#888';
            pen.fillRect((n = (n + 4) % 300), 160, 16, 16);
        }, 40);
        const oscillator = audio().createOscillator();
        oscillator.frequency.value = tone;
        const volume = audio().createGain();
        volume.gain.value = 0.3;
        const sink = audio().createMediaStreamDestination();
        oscillator.connect(volume).connect(sink);
        oscillator.start();
        return new MediaStream([...canvas.captureStream(25).getTracks(), ...sink.stream.getTracks()]);
    }

    if (devices === 'own' && colour && navigator.mediaDevices)
        navigator.mediaDevices.getUserMedia = async (constraints) => {
            const stream = ownDevices();
            stream.getTracks().filter((track) => !constraints[track.kind]).forEach((track) => stream.removeTrack(track));
            return stream;
        };
    if (devices === 'missing')
        Object.defineProperty(Navigator.prototype, 'mediaDevices', { get: () => undefined });
    if (devices === 'none')
        navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no such device', 'NotFoundError'));

    // ---------------------------------------------------------------- what the page shows
    const tile = (id) => document.querySelector(`[data-participant="${id}"]`);
    const video = (id) => tile(id)?.querySelector('video');

    const counts = new Map(); // video element → frames presented, times between them
    function count(element) {
        const record = { frames: 0, last: null, longest: 0 };
        counts.set(element, record);
        const next = (_, { presentationTime, presentedFrames }) => {
            const { last } = record; // a busy page is told of some frames only: those between count as evenly spaced
            if (last && presentedFrames > last.presentedFrames)
                record.longest = Math.max(record.longest, (presentationTime - last.presentationTime) / (presentedFrames - last.presentedFrames));
            record.frames += last ? Math.max(1, presentedFrames - last.presentedFrames) : 1;
            record.last = { presentationTime, presentedFrames };
            element.requestVideoFrameCallback(next);
        };
        element.requestVideoFrameCallback(next);
        return record;
    }
    const record = (id) => {
        const element = video(id);
        return element ? counts.get(element) ?? count(element) : { frames: 0, longest: 0, last: null };
    };
    probe.frames = (id) => record(id).frames;
    /** Longest time between two frames since the last call, up to now; milliseconds. */
    probe.longestGap = (id) => {
        const entry = record(id);
        const longest = Math.max(entry.longest, entry.last ? performance.now() - entry.last.presentationTime - 100 : 0); // 100: it may be on its way
        entry.longest = 0;
        return longest;
    };

    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 4;
    const pen = canvas.getContext('2d', { willReadFrequently: true });
    /** Colour of the middle of a tile's picture; null without one. */
    probe.colour = (id) => {
        const element = video(id);
        if (!element?.videoWidth || element.readyState < 2)
            return null;
        const { videoWidth: w, videoHeight: h } = element;
        pen.clearRect(0, 0, 4, 4); // an element that has nothing to draw yet leaves what was there
        pen.drawImage(element, w * 0.4, h * 0.3, w * 0.2, h * 0.2, 0, 0, 4, 4);
        const [red, green, blue, alpha] = pen.getImageData(1, 1, 1, 1).data;
        return alpha === 0 ? null : [red, green, blue];
    };
    probe.size = (id) => [video(id)?.videoWidth, video(id)?.videoHeight];

    /** Looks at every tile in each animation frame; `probe.seen` lists [tile's id, colour] without repeats in a row. */
    probe.watchFaces = () => {
        probe.seen = [];
        const last = new Map();
        const look = () => {
            for (const element of document.querySelectorAll('[data-participant]')) {
                const id = element.dataset.participant;
                const found = probe.colour(id);
                const key = String(found);
                if (found && last.get(id) !== key)
                    probe.seen.push([id, found, Math.round(performance.now())]);
                last.set(id, key);
            }
            requestAnimationFrame(look);
        };
        look();
    };

    // ---------------------------------------------------------------- what the page plays
    /** Loudness of each tone in a tile's sound, in dB over the noise; 0 where it cannot be told from it. */
    probe.spectrum = async (id) => {
        const tracks = video(id)?.srcObject?.getAudioTracks() ?? [];
        const silence = Object.fromEntries(probe.tones.map((hertz) => [hertz, 0]));
        if (tracks.length === 0)
            return silence;
        await audio().resume();
        const source = audio().createMediaStreamSource(new MediaStream([tracks[0]]));
        const analyser = new AnalyserNode(audio(), { fftSize: 4096, smoothingTimeConstant: 0.5 });
        source.connect(analyser);
        await new Promise((later) => setTimeout(later, 600));
        const bins = new Float32Array(analyser.frequencyBinCount);
        analyser.getFloatFrequencyData(bins);
        source.disconnect();
        const width = audio().sampleRate / analyser.fftSize;
        const loudness = (hertz) => Math.max(...bins.slice(Math.round(hertz / width) - 2, Math.round(hertz / width) + 3));
        return Object.fromEntries(probe.tones.map((hertz) => [hertz, Math.max(0, loudness(hertz) + 55)]));
    };

    return probe;
})();
