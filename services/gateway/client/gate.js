// SPDX-License-Identifier: MIT
// A worker between the network and the decoder of each picture slot: where the participant changes from one frame to the next
// (its number is on every frame, as contributing source), it holds the frames until the page has taken the old name off the
// picture and says so. What has not been decoded cannot be seen under a wrong name, however late the page is.
//
// Frames without a number pass. A held stream is not lost: what comes meanwhile waits behind it.

/* global onrtctransform:writable */
onrtctransform = async ({ transformer }) => {
    const { port } = transformer.options;
    const reader = transformer.readable.getReader();
    const writer = transformer.writable.getWriter();
    let number;
    let goOn = () => {};
    port.onmessage = () => goOn();
    for (;;) {
        const { value: frame, done } = await reader.read();
        if (done)
            return;
        const { contributingSources, rtpTimestamp } = frame.getMetadata();
        const next = contributingSources?.[0];
        if (next !== undefined && next !== number) {
            number = next;
            const agreed = new Promise((resolve) => (goOn = resolve));
            port.postMessage({ number, rtp: rtpTimestamp ?? frame.timestamp });
            await agreed;
        }
        await writer.write(frame);
    }
};
