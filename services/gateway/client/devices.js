// SPDX-License-Identifier: MIT
// Microphone and camera, with what is wrong said in words. Never throws: a page without devices can still watch and listen.

// One layer until pictures are sent in several sizes: enough for a tile, cheap enough for nine of them.
const VIDEO = { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 30, max: 30 } };
const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const LISTEN_ONLY = 'You can join all the same, to watch and to listen.';

function wordsOf(error) {
    switch (error.name) {
    case 'NotAllowedError':
    case 'SecurityError':
        return `The browser does not allow this page to use camera and microphone. Please allow it in the address bar. ${LISTEN_ONLY}`;
    case 'NotFoundError':
    case 'OverconstrainedError':
        return `No camera and no microphone was found. ${LISTEN_ONLY}`;
    case 'NotReadableError':
        return `Camera or microphone cannot be opened: another program may be using it. ${LISTEN_ONLY}`;
    default:
        return `Camera and microphone cannot be used (${error.message || error.name}). ${LISTEN_ONLY}`;
    }
}

const WITHOUT = `Browsers give camera and microphone only to pages that come over https or from localhost, which this one does not. ${LISTEN_ONLY}`;

/**
 * Both, or else what there is.
 * @returns {Promise<{stream: MediaStream|null, problem: string}>} problem: in words; empty if there is none
 */
export async function openDevices() {
    if (!navigator.mediaDevices?.getUserMedia)
        return { stream: null, problem: WITHOUT };
    try {
        return { stream: await navigator.mediaDevices.getUserMedia({ audio: AUDIO, video: VIDEO }), problem: '' };
    } catch (error) {
        if (error.name === 'NotAllowedError')
            return { stream: null, problem: wordsOf(error) };
        return (await openOne({ audio: AUDIO }, 'No camera can be used: the others hear you, but do not see you.')) ??
            (await openOne({ video: VIDEO }, 'No microphone can be used: the others see you, but do not hear you.')) ??
            { stream: null, problem: wordsOf(error) };
    }
}

async function openOne(constraints, problem) {
    try {
        return { stream: await navigator.mediaDevices.getUserMedia(constraints), problem };
    } catch {
        return null;
    }
}

/** @returns {Promise<{track: MediaStreamTrack|undefined, problem: string}>} */
export async function openCamera() {
    if (!navigator.mediaDevices?.getUserMedia)
        return { track: undefined, problem: WITHOUT };
    try {
        const stream = await navigator.mediaDevices.getUserMedia({ video: VIDEO });
        return { track: stream.getVideoTracks()[0], problem: '' };
    } catch (error) {
        return { track: undefined, problem: wordsOf(error) };
    }
}
