// SPDX-License-Identifier: MIT
// The other end of a peer connection, in a page of its own: answers an offer, sends a colour on each picture slot that is asked
// of it, and can change the colour of a slot in the middle of the call.
globalThis.fakeRoom = (() => {
    let connection = null;
    const canvases = new Map(); // mid → {canvas, colour}

    function draw(entry) {
        const { width, height } = entry.canvas;
        entry.pen.fillStyle = entry.colour;
        entry.pen.fillRect(0, 0, width, height);
        entry.pen.fillStyle = '#fff3';
        entry.pen.beginPath();
        entry.pen.arc(width / 2, height * 0.42, height * 0.18, 0, 7);
        entry.pen.arc(width / 2, height, height * 0.36, 0, 7);
        entry.pen.fill();
        entry.pen.fillRect((entry.n = (entry.n + 3) % width), height - 8, 8, 8);
    }

    function source() {
        const canvas = Object.assign(document.createElement('canvas'), { width: 480, height: 270 });
        const entry = { canvas, pen: canvas.getContext('2d'), colour: '#000', n: 0 };
        setInterval(() => draw(entry), 40);
        draw(entry);
        return { entry, track: canvas.captureStream(25).getVideoTracks()[0] };
    }

    return {
        async answer(sdp) {
            connection?.close();
            canvases.clear();
            connection = new RTCPeerConnection();
            await connection.setRemoteDescription({ type: 'offer', sdp });
            for (const transceiver of connection.getTransceivers()) {
                if (transceiver.mid < 3)
                    continue;
                transceiver.direction = 'sendonly';
                if (transceiver.receiver.track.kind !== 'video')
                    continue;
                const { entry, track } = source();
                canvases.set(transceiver.mid, entry);
                await transceiver.sender.replaceTrack(track);
            }
            await connection.setLocalDescription();
            while (connection.iceGatheringState !== 'complete')
                await new Promise((later) => (connection.onicegatheringstatechange = later));
            return connection.localDescription.sdp;
        },
        paint(mid, colour) {
            canvases.get(mid).colour = colour;
        },
        close: () => connection.close(),
    };
})();
