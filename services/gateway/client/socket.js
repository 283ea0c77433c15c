// SPDX-License-Identifier: MIT
// The message channel: one session with the suite over as many WebSockets as it takes. Callers see requests that are answered
// or fail once, and messages in order; what breaks in between is healed here.
//
// The hard thing is a socket that is lost with requests under way. They stay pending and go out again on the next socket, with
// the same id and body: after a re-open with our token the gateway recognises repeats. Ids therefore never repeat within a
// session, not even over a reload of the page (they start at a random number).
//
// Nothing here knows of rooms or media. A lost socket is nothing a call needs to notice.

import { ParleyError } from './errors.js';

const BACKOFF_FIRST_MS = 100;
const BACKOFF_MOST_MS = 5000;
const HANDSHAKE_MS = 5000; // from the socket's opening to the answer of `open`; also what the socket may take to open
const REQUEST_MS = 20000;
const SILENCE_MS = 20000; // a browser cannot send WebSocket pings: after so long without a message we ask for one
const PROBE_MS = 5000;
const OUTBOX_MOST = 64; // publications that wait for a socket

/**
 * @typedef {object} Message a reTHINK message
 * @property {number|string} id
 * @property {string} type
 * @property {string} from
 * @property {string} to
 * @property {object} [body]
 */

/**
 * How long to wait before the next attempt: 100 ms doubling to 5 s, ±50 %, so that clients of a gateway that returns do not
 * all come at once.
 * @param {number} attempt from 0
 * @param {() => number} [random] in [0, 1)
 * @returns {number} milliseconds
 */
export function backoff(attempt, random = Math.random) {
    return Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempt, 16)) * (0.5 + random());
}

/** @param {string} token @returns {string} the part that names the session */
const sessionOf = (token) => token.split('.')[0];

/**
 * Events: `connected` (detail.resumed: the session is the one from before), `reconnecting`, `disconnected` (detail.error).
 */
export class Channel extends EventTarget {
    #url;
    #runtime;
    #hello;
    #WebSocket;
    #socket = null;
    #sent = 0; // what has gone out on this socket before the answer of `open`: the last id
    #handshake = null; // id of the `open` that waits for its answer
    #token;
    #state = 'connecting';
    #attempt = 0;
    #retry = null;
    #watchdog = null;
    #silence = null;
    #nextId = Math.floor(Math.random() * 2 ** 40) + 1;
    /** @type {Map<number, {message: Message, resolve: Function, reject: Function, timer: any}>} */
    #pending = new Map();
    /** @type {Message[]} */
    #outbox = [];
    #onOnline = () => this.#hurry();

    /** @type {(message: Message) => void} what is not an answer to a request of ours */
    onmessage = () => {};
    /** @type {() => ({to: string, from: string, type: string, body: object} | null)} a request that the gateway answers itself */
    probe = () => null;

    /**
     * @param {string} url of the gateway's WebSocket
     * @param {object} options
     * @param {string} options.runtimeURL ours; the session is known by it
     * @param {string} [options.token] of a session to go on with
     * @param {object} [options.hello] body of `open`: identity, token
     * @param {typeof WebSocket} [options.WebSocket]
     */
    constructor(url, { runtimeURL, token = '', hello = {}, WebSocket = globalThis.WebSocket }) {
        super();
        this.#url = url;
        this.#runtime = runtimeURL;
        this.#hello = hello;
        this.#WebSocket = WebSocket;
        this.#token = token;
        globalThis.addEventListener?.('online', this.#onOnline);
        this.#connect();
    }

    /** @returns {'connecting'|'connected'|'reconnecting'|'disconnected'} */
    get state() {
        return this.#state;
    }

    /** @returns {string} for the next re-open; empty before the first answer */
    get token() {
        return this.#token;
    }

    get runtimeURL() {
        return this.#runtime;
    }

    /**
     * Asks and waits for the final answer.
     * @param {{type: string, from: string, to: string, body?: object}} message
     * @param {{timeout?: number}} [options] milliseconds
     * @returns {Promise<object>} the answer's body; rejects with a ParleyError for codes from 300 on
     */
    request(message, { timeout = REQUEST_MS } = {}) {
        if (this.#state === 'disconnected')
            return Promise.reject(new ParleyError('closed'));
        const id = this.#nextId++;
        const whole = { id, ...message };
        return new Promise((resolve, reject) => {
            const timer = setTimeout(() => {
                this.#pending.delete(id);
                reject(new ParleyError(this.#state === 'connected' ? 'timeout' : 'unreachable', { code: 504 }));
            }, timeout);
            this.#pending.set(id, { message: whole, resolve, reject, timer });
            if (this.#state === 'connected') {
                this.#write(whole);
            } else if (this.#handshake !== null && !this.#token) { // right behind `open`
                this.#write(whole);
                this.#sent = id;
            }
        });
    }

    /**
     * Sends what nobody answers. Waits for the next socket where there is none.
     * @param {{type: string, from: string, to: string, body?: object}} message
     */
    publish(message) {
        const whole = { id: this.#nextId++, ...message };
        if (this.#state === 'connected')
            this.#write(whole);
        else if (this.#state !== 'disconnected' && this.#outbox.push(whole) > OUTBOX_MOST)
            this.#outbox.shift();
    }

    /**
     * Answers a request that came through `onmessage`.
     * @param {Message} request
     * @param {object} body with its code
     */
    answer(request, body) {
        this.#write({ id: request.id, type: 'response', from: request.to, to: request.from, body });
    }

    /** Ends the session for good. @param {ParleyError} [error] for those who still wait for an answer */
    close(error = new ParleyError('closed')) {
        if (this.#state === 'disconnected')
            return;
        if (this.#state === 'connected')
            this.#write({ id: this.#nextId++, type: 'close', from: this.#runtime, to: 'mn:/session' });
        this.#end(error);
    }

    #write(message) {
        if (this.#socket?.readyState === 1)
            this.#socket.send(JSON.stringify(message));
    }

    #connect() {
        clearTimeout(this.#retry);
        this.#retry = null;
        let socket;
        try {
            socket = new this.#WebSocket(this.#url);
        } catch (error) { // a URL that is none, or http where the page demands https
            this.#end(new ParleyError('unreachable', { description: String(error) }));
            return;
        }
        this.#socket = socket;
        const ours = (handle) => (event) => socket === this.#socket && handle(event);
        socket.onopen = ours(() => this.#open());
        socket.onmessage = ours((event) => this.#receive(event.data));
        socket.onclose = ours((event) => this.#lose(event.reason));
        socket.onerror = () => {}; // a close event follows
        this.#watch(HANDSHAKE_MS);
    }

    /** Gives the socket so long until the next sign of life. */
    #watch(ms) {
        clearTimeout(this.#watchdog);
        this.#watchdog = setTimeout(() => this.#lose('silent'), ms);
    }

    #open() {
        const type = this.#token ? 're-open' : 'open';
        const from = this.#token ? `${this.#runtime}/${this.#token}` : this.#runtime;
        this.#handshake = this.#nextId++;
        this.#watch(HANDSHAKE_MS);
        this.#write({ id: this.#handshake, type, from, to: 'mn:/session', body: this.#hello });
        this.#sent = type === 'open' ? this.#flush() : 0; // a new session: nobody else's routes can be in the way, save a round trip
    }

    /** Writes what waits for an answer, and what waits to be sent. @returns {number} the last id of it */
    #flush(after = 0) {
        const held = [...this.#pending.values()].map((entry) => entry.message).filter((message) => message.id > after);
        [...held, ...this.#outbox.splice(0)].forEach((message) => this.#write(message));
        return held.at(-1)?.id ?? after;
    }

    #receive(data) {
        let message;
        try {
            message = JSON.parse(data);
        } catch {
            return; // not ours to repair
        }
        if (message === null || typeof message !== 'object')
            return;
        if (this.#state === 'connected')
            this.#listen();
        if (String(message.type).toLowerCase() !== 'response')
            this.onmessage(message);
        else if (message.id === this.#handshake)
            this.#greeted(message.body ?? {});
        else
            this.#settle(message.id, message.body ?? {});
    }

    #greeted(body) {
        this.#handshake = null;
        if (body.code === 200) {
            const resumed = this.#token !== '' && sessionOf(this.#token) === sessionOf(String(body.runtimeToken));
            this.#token = String(body.runtimeToken ?? '');
            this.#connected(resumed, body);
        } else if (this.#token) { // the session is not known any more, and its token no use
            this.#token = '';
            this.#open();
        } else {
            const error = ParleyError.of(body);
            if (error.temporary)
                this.#lose(error.message);
            else
                this.#end(error);
        }
    }

    #connected(resumed, body) {
        this.#state = 'connected';
        this.#attempt = 0;
        this.#listen();
        this.#flush(this.#sent);
        this.dispatchEvent(new CustomEvent('connected', { detail: { resumed, body } }));
    }

    /** Something came: the socket lives. Ask for a sign of life if nothing more comes for a while. */
    #listen() {
        clearTimeout(this.#watchdog);
        clearTimeout(this.#silence);
        this.#silence = setTimeout(() => {
            const probe = this.probe();
            if (!probe)
                return;
            this.#watch(PROBE_MS);
            this.request(probe, { timeout: PROBE_MS }).catch(() => {});
        }, SILENCE_MS);
    }

    #settle(id, body) {
        const entry = this.#pending.get(id);
        const code = Number(body.code);
        if (!entry || code < 200) // provisional, or an answer that nobody waits for any more
            return;
        this.#pending.delete(id);
        clearTimeout(entry.timer);
        if (code < 300)
            entry.resolve(body);
        else
            entry.reject(ParleyError.of(body));
    }

    #lose() {
        this.#drop();
        const was = this.#state;
        if (was === 'disconnected')
            return;
        this.#retry = setTimeout(() => this.#connect(), backoff(this.#attempt++));
        if (was === 'connected') {
            this.#state = 'reconnecting';
            this.dispatchEvent(new CustomEvent('reconnecting'));
        }
    }

    /** The network has come back: do not sit out the pause. */
    #hurry() {
        if (this.#retry === null)
            return;
        this.#attempt = 0;
        this.#connect();
    }

    #drop() {
        clearTimeout(this.#watchdog);
        clearTimeout(this.#silence);
        const socket = this.#socket;
        this.#socket = null;
        socket?.close();
    }

    #end(error) {
        this.#state = 'disconnected';
        this.#drop();
        clearTimeout(this.#retry);
        this.#retry = null;
        globalThis.removeEventListener?.('online', this.#onOnline);
        for (const { reject, timer } of this.#pending.values()) {
            clearTimeout(timer);
            reject(error);
        }
        this.#pending.clear();
        this.dispatchEvent(new CustomEvent('disconnected', { detail: { error } }));
    }
}
