// SPDX-License-Identifier: MIT
// The client hyperty: one session with a suite, its addresses, and the rooms joined through it.
//
// A reload of the page goes on as the same participant (memory.js keeps what it needs): the session's token re-opens the
// session, and the same Connection object is created again with its next version.

import { Channel } from './socket.js';
import { Media, warmUp } from './media.js';
import { Memory } from './memory.js';
import { Room } from './room.js';
import { ParleyError } from './errors.js';

const CONNECT_MS = 10000;
const JOIN_MS = 20000;
const SLOTS = { audio: 3, video: 9 };
const SLOTS_MOST = 25;
const UNCLAIMED_MOST = 256;

const uuid = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @returns {string} the gateway that served this page */
const ownGateway = () => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`;

/** @param {number|{audio?: number, video?: number}|undefined} wish */
function slotCounts(wish) {
    const counts = { ...SLOTS, ...(typeof wish === 'number' ? { video: wish } : wish) };
    const clamp = (n) => Math.max(0, Math.min(SLOTS_MOST, Math.trunc(Number(n)) || 0));
    return { audio: clamp(counts.audio), video: clamp(counts.video) };
}

/**
 * Events: `state` (detail.state, detail.error).
 */
export class Conference extends EventTarget {
    #channel;
    #memory;
    #stored; // connections by room, for a reload
    #spare = null; // a Connection for the next room: {url, version}
    #slots; // of a room, if joinRoom() says nothing else
    /** @type {Media|null} for the next room */
    #media = null;
    /** @type {Set<Room>} */
    #rooms = new Set();
    #joining = 0;
    #unclaimed = [];
    #ready; // session and addresses
    #allocating = false; // or done
    #opening; // the same within the time that connect() gives
    #announced = '';

    /** Use Conference.connect() or Conference.open(). @private */
    constructor(channel, { name, domain, hyperty, memory, stored, slots }) {
        super();
        this.#channel = channel;
        this.#slots = slots;
        this.#memory = memory;
        this.#stored = stored;
        /** @type {string} for people */
        this.name = name;
        /** @type {string} of the suite's addresses */
        this.domain = domain;
        /** @type {RTCIceServer[]} relays that the last answer to a join named */
        this.iceServers = [];
        /** @type {string} our hyperty's URL */
        this.hyperty = hyperty;
        channel.onmessage = (message) => this.#receive(message);
        channel.probe = () => this.hyperty && this.#routing([this.hyperty]);
        channel.addEventListener('connected', ({ detail }) => this.#connected(detail));
        channel.addEventListener('reconnecting', () => this.#tellState());
        channel.addEventListener('disconnected', ({ detail }) => this.#disconnected(detail.error));
        this.#ready = this.#allocate();
        this.#ready.catch(() => {});
        this.#prepare();
    }

    /**
     * Opens a session, or goes on with the one of the page before a reload.
     * @param {string} [url] of a gateway's WebSocket; the one that served the page if absent
     * @param {object} [options]
     * @param {string} [options.name] shown to others
     * @param {string} [options.token] a JWT for the identity
     * @param {string} [options.domain] of the suite, if it is not the gateway's own word
     * @param {Storage|null} [options.storage] where a reload finds the session; sessionStorage if absent, null: nowhere
     * @param {typeof WebSocket} [options.WebSocket]
     * @param {number} [options.timeout] milliseconds; then it fails with the reason `unreachable`
     * @param {number|{audio?: number, video?: number}} [options.slots] what joinRoom() will ask for
     * @returns {Promise<Conference>}
     */
    static async connect(url, options) {
        const conference = await Conference.open(url, options);
        await conference.#opening;
        return conference;
    }

    /**
     * The same without waiting for the session: who joins a room at once saves a round trip, because the join travels right behind
     * the opening. What goes wrong is then joinRoom()'s to tell.
     * @param {string} [url]
     * @param {object} [options] as of connect()
     * @returns {Promise<Conference>}
     */
    static async open(url = ownGateway(), options = {}) {
        const memory = new Memory(options.storage === undefined ? globalThis.sessionStorage : options.storage, url);
        warmUp();
        const stored = await memory.recall();
        const domain = options.domain ?? stored?.domain ?? 'localhost';
        const runtimeURL = stored?.runtimeURL ?? `hyperty-runtime://${domain}/${uuid()}`;
        if (!stored)
            await memory.lock(runtimeURL);
        const name = options.name || 'Guest';
        const hello = { identity: { userProfile: { preferred_username: name } }, ...(options.token ? { token: options.token } : {}) };
        const channel = new Channel(url, { runtimeURL, token: stored?.token, hello, WebSocket: options.WebSocket ?? globalThis.WebSocket });
        const conference = new Conference(channel,
            { name, domain, hyperty: stored?.hyperty ?? '', memory, stored: stored?.rooms ?? {}, slots: slotCounts(options.slots) });
        conference.#opening = conference.#until(options.timeout ?? CONNECT_MS);
        conference.#opening.catch(() => {});
        return conference;
    }

    /** @returns {'connecting'|'connected'|'reconnecting'|'disconnected'} */
    get state() {
        return this.#channel.state;
    }

    get runtimeURL() {
        return this.#channel.runtimeURL;
    }

    /** @returns {string} of the conference hyperty */
    get address() {
        return `hyperty://${this.domain}/conference`;
    }

    async #until(timeout) {
        let timer;
        const late = new Promise((_, reject) => {
            timer = setTimeout(() => reject(new ParleyError('unreachable')), timeout);
        });
        try {
            await Promise.race([this.#ready, late]);
        } catch (error) {
            this.#end(error);
            throw error;
        } finally {
            clearTimeout(timer);
        }
    }

    // ------------------------------------------------------------------------------------------------ session

    /** Our addresses. The request travels right behind `open`, unless a join does that. */
    async #allocate() {
        await delay(0);
        if (this.hyperty) // of a session that goes on, or that a join has named
            return this.#connects();
        const { domain } = this;
        this.#allocating = true;
        try {
            const [hyperty, connection] = await Promise.all([this.#address('hyperty'), this.#address('connection')]);
            this.hyperty = hyperty;
            this.#spare = { url: connection, version: 0 };
        } catch (error) {
            if (domain === this.domain) // else the gateway has told its own domain meanwhile
                throw error;
            return this.#allocate();
        }
        this.remember();
    }

    #connects() {
        if (this.state === 'connected')
            return undefined;
        return new Promise((resolve, reject) => {
            this.#channel.addEventListener('connected', resolve, { once: true });
            this.#channel.addEventListener('disconnected', ({ detail }) => reject(detail.error), { once: true });
        });
    }

    /** Before a session's addresses are asked for we name ourselves: an address belongs to whoever uses it first. */
    async #settle() {
        if (this.#allocating || this.hyperty !== '')
            return this.#ready;
        this.hyperty = `hyperty://${this.domain}/${uuid()}`;
        this.#spare = { url: `connection://${this.domain}/${uuid()}`, version: 0 };
    }

    async #address(scheme) {
        const to = `domain://msg-node.${this.domain}/address-allocation`;
        const body = await this.#channel.request({ type: 'create', from: this.runtimeURL, to, body: { scheme, value: { number: 1 } } });
        return String(body.value.allocated[0]);
    }

    #connected({ body }) {
        if (typeof body.domain === 'string')
            this.domain = body.domain;
        this.remember();
        this.#tellState();
        this.#rooms.forEach((room) => room.resume());
    }

    #disconnected(error) {
        this.#media?.close();
        this.#media = null;
        this.#memory.release();
        [...this.#rooms].forEach((room) => room.abandon(error));
        this.#tellState(error);
    }

    #tellState(error = null) {
        const { state } = this;
        if (state === this.#announced)
            return;
        this.#announced = state;
        this.dispatchEvent(new CustomEvent('state', { detail: { state, error } }));
    }

    /** Keeps what a reload needs. */
    remember() {
        const { token, runtimeURL } = this.#channel;
        if (token && this.hyperty)
            this.#memory.write({ runtimeURL, token, hyperty: this.hyperty, domain: this.domain, rooms: this.#stored });
    }

    /** Ends the session, and every room with it. */
    close() {
        this.#end();
    }

    #end(error) {
        this.#memory.write(null);
        this.#channel.close(error);
        this.#memory.release();
    }

    // ------------------------------------------------------------------------------------------------ rooms

    /**
     * Joins a room; makes it if nobody is in it yet.
     * @param {string} roomId 1 to 64 of A–Z a–z 0–9 _ -
     * @param {object} [options]
     * @param {MediaStream|Promise<MediaStream|null>|null} [options.stream] what to send; a promise is not waited for
     * @param {number|{audio?: number, video?: number}} [options.slots] pictures (and voices) to receive at once; as told to connect()
     * @param {boolean} [options.microphone] false: join muted
     * @param {boolean} [options.camera] false: join with the camera off
     * @param {string} [options.token] a JWT with the grants for this room
     * @returns {Promise<Room>} with the participants that are already there; rejects with a ParleyError
     */
    async joinRoom(roomId, { stream, slots, microphone = true, camera = true, token } = {}) {
        const options = { slots: slots === undefined ? this.#slots : slotCounts(slots), token, name: this.name, off: { audio: !microphone, video: !camera } };
        const until = Date.now() + JOIN_MS;
        for (let fresh = false; ;) {
            const { domain } = this;
            await this.#settle();
            if ([...this.#rooms].some((room) => room.id === roomId))
                throw new ParleyError('already_joined');
            this.#leaveStale(roomId);
            const connection = await this.#connectionFor(roomId);
            const room = new Room(this, roomId, { connection, ...options });
            this.#rooms.add(room);
            try {
                await room.join(stream);
                this.#relay(room);
                return room;
            } catch (error) {
                this.#rooms.delete(room);
                const misnamed = error.reason === 'not_owner' || domain !== this.domain;
                if (misnamed && !fresh && this.state === 'connected') {
                    fresh = await this.#startOver();
                } else if (!error.temporary || Date.now() > until || this.state === 'disconnected') {
                    this.forget(room);
                    throw error;
                } else {
                    await delay(500);
                }
            }
        }
    }

    /** Makes a peer connection and its offer while the socket is being opened: a newcomer need not wait for that. */
    #prepare() {
        try {
            this.#media = new Media(this.#slots);
            this.#media.offer().catch(() => (this.#media = null));
        } catch { // joinRoom() will say why
            this.#media = null;
        }
    }

    /** A peer connection for a room: the prepared one where it fits. @param {{audio: number, video: number}} slots @returns {Media} */
    mediaFor(slots) {
        const prepared = this.#media;
        this.#media = null;
        const media = prepared?.fits(slots) ? prepared : new Media(slots);
        if (media !== prepared)
            prepared?.close();
        media.useRelays(this.iceServers);
        return media;
    }

    async #connectionFor(roomId) {
        if (!this.#stored[roomId] && !this.#spare)
            this.#spare = { url: await this.#address('connection'), version: 0 };
        if (!this.#stored[roomId]) {
            this.#stored[roomId] = this.#spare;
            this.#spare = null;
        }
        return this.#stored[roomId];
    }

    /** Our addresses belong to somebody else by now, or to no domain of the suite: take new ones. */
    async #startOver() {
        this.#stored = {};
        this.#spare = null;
        this.hyperty = '';
        this.#ready = this.#allocate();
        await this.#ready;
        return true;
    }

    /** Rooms of the page before the reload that this one does not go on with. */
    #leaveStale(roomId) {
        const live = new Set([roomId, ...[...this.#rooms].map((room) => room.id)]);
        for (const id of Object.keys(this.#stored).filter((key) => !live.has(key))) {
            delete this.#stored[id];
            this.request({ type: 'execute', to: this.address, body: { method: 'leaveRoom', params: [id] } }).catch(() => {});
        }
    }

    #relay(room) {
        for (const event of ['participantjoined', 'participantleft'])
            room.addEventListener(event, ({ detail }) => this.dispatchEvent(new CustomEvent(event, { detail: { ...detail, room } })));
    }

    /**
     * @param {(participant: import('./participant.js').Participant, room: Room) => void} callback
     * @returns {() => void} stops it
     */
    onNewParticipant(callback) {
        const listener = ({ detail }) => callback(detail.participant, detail.room);
        this.addEventListener('participantjoined', listener);
        return () => this.removeEventListener('participantjoined', listener);
    }

    /**
     * @param {(participant: import('./participant.js').Participant, reason: string, room: Room) => void} callback
     * @returns {() => void} stops it
     */
    onParticipantLeft(callback) {
        const listener = ({ detail }) => callback(detail.participant, detail.reason, detail.room);
        this.addEventListener('participantleft', listener);
        return () => this.removeEventListener('participantleft', listener);
    }

    /**
     * @param {Room|string} [room] or its id; every room if absent
     * @returns {Promise<void>} when the rooms know
     */
    async leaveRoom(room) {
        const leaving = [...this.#rooms].filter((joined) => room === undefined || joined === room || joined.id === room);
        await Promise.all(leaving.map((joined) => joined.leaveRoom()));
    }

    /** A room has ended. @param {Room} room */
    forget(room) {
        this.#rooms.delete(room);
        this.#spare ??= this.#stored[room.id] ?? null; // its versions go on
        delete this.#stored[room.id];
        this.remember();
    }

    // ------------------------------------------------------------------------------------------------ messages, for rooms

    /** @param {{type: string, to: string, from?: string, body: object}} message @returns {Promise<object>} the answer's body */
    request(message, options) {
        return this.#channel.request({ from: this.hyperty, ...message }, options);
    }

    publish(message) {
        this.#channel.publish(message);
    }

    /** The join. Changes of the new objects that come before its answer are kept for replay(). */
    async create(makeBody) {
        this.#joining++;
        try {
            return await this.request({ type: 'create', to: this.address, body: await makeBody() });
        } finally {
            this.#joining--;
        }
    }

    /** Feeds what came too early. */
    replay() {
        this.#unclaimed.splice(0).forEach((message) => this.#publication(message));
    }

    #routing(resources) {
        return { type: 'subscribe', from: this.hyperty, to: `domain://msg-node.${this.domain}/sm`, body: { resources, source: this.hyperty } };
    }

    /** @param {string[]} resources addresses that are to reach us */
    route(resources) {
        return this.#channel.request(this.#routing([this.hyperty, ...resources]));
    }

    /** @param {string} url of an object @param {number} [version] that we have @returns {Promise<object>} Object or Deltas */
    async subscribe(url, version) {
        const body = { source: this.hyperty, mutual: false, resume: true, ...(version === undefined ? {} : { version }) };
        return (await this.request({ type: 'subscribe', to: `${url}/subscription`, body })).value;
    }

    #receive(message) {
        if (String(message.to ?? '').endsWith('/changes'))
            this.#publication(message);
        else
            this.#asked(message);
    }

    #publication(message) {
        const url = message.to.slice(0, -'/changes'.length);
        const taken = [...this.#rooms].some((room) => room.feed(url, message));
        if (!taken && this.#joining > 0 && this.#unclaimed.length < UNCLAIMED_MOST)
            this.#unclaimed.push(message);
    }

    /** Requests to us: our Connection object may be read. Nothing is met with silence. */
    #asked(message) {
        const type = String(message.type).toLowerCase();
        const url = String(message.to ?? '').replace(/\/(subscription|read)$/, '');
        const value = [...this.#rooms].map((room) => room.snapshot(url)).find(Boolean);
        if (value && (type === 'read' || type === 'subscribe'))
            this.#channel.answer(message, { code: 200, value });
        else if (type !== 'event' && message.id !== undefined && message.from)
            this.#channel.answer(message, { code: 404, reason: 'unsupported', desc: 'Not offered here', description: 'Not offered here' });
    }
}
