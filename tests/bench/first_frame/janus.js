// SPDX-License-Identifier: MIT
// A person in a Janus VideoRoom: its JSON protocol over a WebSocket, replies matched by transaction. It does what a careful
// client does: two handles, the room joined while the offer is being made, candidates trickled, and no round trip that
// Janus does not ask for.
import { Stopwatch, firstFrame, openDevices } from './person.js';

const KEEP_ALIVE_MS = 20000;
const devices = await openDevices();

class Session {
    #socket;
    #pending = new Map(); // by transaction
    #next = 1;
    #timer = null;
    #id;

    static async open(url) {
        const session = new Session();
        session.#socket = new WebSocket(url, 'janus-protocol');
        session.#socket.onmessage = ({ data }) => session.#receive(JSON.parse(data));
        await new Promise((resolve, reject) => {
            session.#socket.onopen = resolve;
            session.#socket.onerror = () => reject(new Error('no WebSocket'));
        });
        session.#id = (await session.request({ janus: 'create' })).data.id;
        session.#timer = setInterval(() => session.request({ janus: 'keepalive' }), KEEP_ALIVE_MS);
        return session;
    }

    /** Sends, and waits for the reply, or for the event that a plugin answers with. */
    request(message) {
        const transaction = String(this.#next++);
        this.#socket.send(JSON.stringify({ ...message, transaction, ...(this.#id ? { session_id: this.#id } : {}) }));
        return new Promise((resolve, reject) => this.#pending.set(transaction, { resolve, reject, event: message.janus === 'message' }));
    }

    #receive(message) {
        const entry = this.#pending.get(message.transaction);
        if (!entry || (entry.event && message.janus === 'ack'))
            return;
        this.#pending.delete(message.transaction);
        const error = message.error ?? message.plugindata?.data?.error;
        if (error)
            entry.reject(new Error(JSON.stringify(message)));
        else
            entry.resolve(message);
    }

    async attach() {
        const handle = (await this.request({ janus: 'attach', plugin: 'janus.plugin.videoroom' })).data.id;
        return {
            ask: (body, jsep) => this.request({ janus: 'message', handle_id: handle, body, ...(jsep ? { jsep } : {}) }),
            trickle: (candidate) => this.request({ janus: 'trickle', handle_id: handle, candidate: candidate ?? { completed: true } }),
        };
    }

    close() {
        clearInterval(this.#timer);
        this.#socket.close();
    }
}

/** @returns {RTCPeerConnection} whose candidates go to this handle */
function connection(handle) {
    const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    peer.onicecandidate = ({ candidate }) => handle.trickle(candidate);
    return peer;
}

async function publish(handle, peer) {
    devices.stream.getTracks().forEach((track) => peer.addTransceiver(track, { direction: 'sendonly' }));
    await peer.setLocalDescription();
    const { jsep } = await handle.ask({ request: 'publish' }, peer.localDescription.toJSON());
    await peer.setRemoteDescription(jsep);
}

const enter = async (handle, room) => (await handle.ask({ request: 'join', ptype: 'publisher', room })).plugindata.data.publishers;

async function subscribe(handle, peer, room, feed) {
    const { jsep } = await handle.ask({ request: 'join', ptype: 'subscriber', room, streams: [{ feed }] });
    const stream = new MediaStream();
    peer.ontrack = ({ track }) => stream.addTrack(track);
    await peer.setRemoteDescription(jsep);
    await peer.setLocalDescription();
    handle.ask({ request: 'start' }, peer.localDescription.toJSON());
    return stream;
}

/** Opens a session with two handles. */
async function connect(url) {
    const session = await Session.open(url);
    return { session, handles: await Promise.all([session.attach(), session.attach()]) };
}

/** Somebody who only sends; `devices.draw` turns its camera on and off. */
async function send(url, room) {
    const { handles: [handle] } = await connect(url);
    await handle.ask({ request: 'create', room, publishers: 20 });
    await enter(handle, room);
    await publish(handle, connection(handle));
}

/** Joins, and times it until somebody else is seen. connected: session and handles are there before. */
async function join(url, room, connected) {
    let attached = connected ? await connect(url) : null;
    const watch = new Stopwatch();
    attached ??= await connect(url);
    watch.mark('connected');
    const { session, handles: [sending, receiving] } = attached;
    const [up, down] = [connection(sending), connection(receiving)];
    watch.follow(down);
    const joined = enter(sending, room);
    const published = publish(sending, up);
    const [{ id: feed }] = await joined;
    watch.mark('joined');
    const stream = await subscribe(receiving, down, room, feed);
    watch.mark('answered');
    await firstFrame(stream);
    watch.mark('frame');
    await published;
    [up, down].forEach((peer) => peer.close());
    session.close();
    return watch.marks;
}

globalThis.person = { send, join, draw: devices.draw };
