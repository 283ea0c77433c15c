// SPDX-License-Identifier: MIT
// One peer connection to a room: the offer, the answer, the streams sent, the slots received.
//
// The offer is made once and holds for the whole call, whoever comes, goes, speaks or shares: microphone, camera and screen to
// send, with or without a device (replaceTrack fills them later), and receive-only slots which the room fills with whom it
// likes. It is sent without waiting for candidates: the room process needs none (ICE-lite). It is trimmed to the room's codecs
// and the header extensions in use: nine video slots of an untrimmed Chromium offer are 54 KB.
//
// Making it takes a browser 30 to 50 ms, which a newcomer need not see: it can be made long before it is used, and is sent
// before the browser has opened a socket for it.
//
// Relays (TURN) and what opens them come with the room's answer, and a browser asks only those that it knew when the offer was
// set: they are for the next connection, which follows soon where this one does not come about.
//
// A call whose connection failed, or whose room was placed anew, gets a new Media with the same tracks.

import { SlotName } from './naming.js';
import { ParleyError } from './errors.js';

const CODECS = { audio: ['audio/opus'], video: ['video/VP8', 'video/rtx'] };
const EXTENSIONS = [
    'urn:ietf:params:rtp-hdrext:sdes:mid',
    'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
    'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
    'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
    'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
    'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
];
/** What we send, in the order of the m-lines, which names them for the room. */
export const SOURCES = ['audio', 'video', 'screen'];

/**
 * A receive-only m-line of ours: one stream for life, filled with one participant after another.
 * @typedef {object} Slot
 * @property {string} mid
 * @property {'audio'|'video'} kind
 * @property {RTCRtpReceiver} receiver
 * @property {MediaStreamTrack} track
 * @property {SlotName} name
 * @property {MessagePort|null} gate tells of each change of number before the frame is decoded
 */

/** @param {RTCRtpTransceiver} transceiver */
function trim(transceiver) {
    const kind = transceiver.receiver.track.kind;
    const codecs = globalThis.RTCRtpReceiver.getCapabilities?.(kind)?.codecs ?? [];
    const order = CODECS[kind];
    const wanted = order.flatMap((type) => codecs.filter((codec) => codec.mimeType.toLowerCase() === type.toLowerCase()));
    if (wanted.length > 0)
        transceiver.setCodecPreferences?.(wanted);
    if (!transceiver.setHeaderExtensionsToNegotiate)
        return;
    const sends = transceiver.direction === 'sendonly';
    const keeps = ({ uri }) => EXTENSIONS.includes(uri) && (sends || !uri.endsWith('stream-id'));
    const extensions = transceiver.getHeaderExtensionsToNegotiate();
    transceiver.setHeaderExtensionsToNegotiate(
        extensions.map((extension) => ({ ...extension, direction: keeps(extension) ? 'sendrecv' : 'stopped' })));
}

/**
 * Lost packets of voices are asked for again, too: browsers can do that, but have no function to say so.
 * @param {string} sdp of an offer
 * @returns {string}
 */
const withVoicesAgain = (sdp) => sdp.replace(/^a=rtpmap:(\d+) opus\/48000\/2\r\n(?!a=rtcp-fb:\1 nack\r\n)/gim, '$&a=rtcp-fb:$1 nack\r\n');

const SHARED = ['ice-ufrag', 'ice-pwd', 'ice-options', 'fingerprint', 'setup'];

/**
 * An offer whose m-lines share one transport says so once, at the session, as the answer then does: a quarter less to send, so
 * that a join fits what a young connection may send at once (ten packets), and does not wait for another round trip.
 * @param {string} sdp of a bundled offer
 * @returns {string} the same description
 */
export function sayTransportOnce(sdp) {
    const [session, ...media] = sdp.split(/^(?=m=)/m);
    const lineOf = (section, name) => new RegExp(`^a=${name}:.*\r\n`, 'm').exec(section)?.[0];
    const shared = SHARED.map((name) => lineOf(media[0] ?? '', name));
    const alike = media.length > 0 && SHARED.every((name, i) => media.every((section) => lineOf(section, name) === shared[i]));
    if (!alike)
        return sdp;
    const without = (section) => shared.filter(Boolean).reduce((text, line) => text.replace(line, ''), section).replace(/^a=rtcp:.*\r\n/m, '');
    return [session, ...shared.filter(Boolean), ...media.map(without)].join('');
}

/** The worker that looks at frames before they are decoded; null where browser or page allow none. */
let gatekeeper;

/** Starts it, so that it is there before the first frame. */
export function warmUp() {
    if (gatekeeper !== undefined || typeof globalThis.RTCRtpScriptTransform !== 'function')
        return;
    try {
        gatekeeper = new Worker(new URL('./gate.js', import.meta.url));
        gatekeeper.onerror = () => (gatekeeper = null);
    } catch { // this module comes from another origin than the page
        gatekeeper = null;
    }
}

/** @param {RTCRtpReceiver} receiver @returns {MessagePort|null} tells of each change of number, and waits for an answer */
function gateOf(receiver) {
    if (!gatekeeper || !('transform' in receiver))
        return null;
    const { port1, port2 } = new MessageChannel();
    receiver.transform = new RTCRtpScriptTransform(gatekeeper, { port: port2 }, [port2]);
    gatekeeper.addEventListener('error', () => (receiver.transform = null));
    return port1;
}

export class Media {
    #senders = {};
    #transceivers = [];
    #closed = false;
    #counts;
    #offer = null;
    /** Whether relays are known to this connection. */
    relayed = false;

    /** @type {Slot[]} after accept() */
    slots = [];

    /** @param {{audio: number, video: number}} slots how many of each to offer */
    constructor(slots) {
        if (typeof globalThis.RTCPeerConnection !== 'function')
            throw new ParleyError('unsupported_browser');
        warmUp();
        this.#counts = slots;
        /** @type {RTCPeerConnection} */
        this.peerConnection = new RTCPeerConnection({ bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' });
        for (const source of SOURCES) {
            const kind = source === 'audio' ? 'audio' : 'video';
            const transceiver = this.peerConnection.addTransceiver(kind, { direction: 'sendonly' });
            trim(transceiver);
            this.#senders[source] = transceiver.sender;
        }
        for (const kind of ['audio', 'video'])
            for (let i = 0; i < slots[kind]; i++)
                this.#addSlot(kind);
    }

    #addSlot(kind) {
        const transceiver = this.peerConnection.addTransceiver(kind, { direction: 'recvonly' });
        trim(transceiver);
        this.#transceivers.push({ transceiver, gate: kind === 'video' ? gateOf(transceiver.receiver) : null });
    }

    /** @param {{audio: number, video: number}} slots @returns {boolean} whether it offers so many */
    fits(slots) {
        return this.#counts.audio === slots.audio && this.#counts.video === slots.video;
    }

    #makeOffer() {
        return (this.#offer ??= this.peerConnection.createOffer().then(({ sdp }) => withVoicesAgain(sdp)));
    }

    /**
     * The offer, made at the first call.
     * @returns {Promise<string>} its SDP, ready to be sent
     */
    async offer() {
        return sayTransportOnce(await this.#makeOffer());
    }

    /** Before begin(). @param {RTCIceServer[]} iceServers */
    useRelays(iceServers) {
        if (iceServers.length === 0 || !this.peerConnection.setConfiguration)
            return;
        this.peerConnection.setConfiguration({ ...this.peerConnection.getConfiguration(), iceServers });
        this.relayed = true;
    }

    /** Opens sockets for the offer. Before this nothing is in use that could grow stale. */
    async begin() {
        await this.peerConnection.setLocalDescription({ type: 'offer', sdp: await this.#makeOffer() });
    }

    /** @param {string} sdp the room's answer */
    async accept(sdp) {
        await this.peerConnection.setRemoteDescription({ type: 'answer', sdp });
        this.slots = this.#transceivers.map(({ transceiver: { mid, receiver }, gate }) => (
            { mid, kind: receiver.track.kind, receiver, track: receiver.track, name: new SlotName(), gate }));
    }

    /**
     * Sends this track from now on, without a new offer.
     * @param {'audio'|'video'|'screen'} source
     * @param {MediaStreamTrack|null} track
     */
    async send(source, track) {
        if (!this.#closed && this.#senders[source].track !== track)
            await this.#senders[source].replaceTrack(track);
    }

    /**
     * The timestamp and number of the newest frame that a slot has delivered to whoever watches its track.
     * @param {RTCRtpReceiver} receiver
     * @returns {{rtp: number|undefined, number: number|undefined}}
     */
    static newestFrame(receiver) {
        const contributing = newest(receiver.getContributingSources?.());
        if (contributing)
            return { rtp: contributing.rtpTimestamp, number: contributing.source };
        return { rtp: newest(receiver.getSynchronizationSources?.())?.rtpTimestamp, number: undefined };
    }

    close() {
        this.#closed = true;
        this.peerConnection.close();
    }
}

/** Only the newest entry counts: older ones are of participants before. */
const newest = (sources = []) => sources.reduce((best, source) => (!best || source.timestamp > best.timestamp ? source : best), undefined);
