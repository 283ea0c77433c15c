// SPDX-License-Identifier: MIT
// Data objects on the observer's side: a snapshot, then one change per version. The gateway hands every session an ordered
// stream without holes; this does not rely on it: it applies version + 1, drops what is older, and asks for what it lacks.
//
// An object that comes from the network never becomes code: attribute paths cannot reach a prototype.

/**
 * @typedef {object} Snapshot
 * @property {string} url
 * @property {number} version
 * @property {object} data
 * @property {string} [name]
 */

/**
 * @typedef {object} Change one update's body
 * @property {number} [version]
 * @property {string} attribute dotted path; empty or absent: the whole data
 * @property {*} [value] absent: removed
 * @property {string} [reason]
 */

const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);
const HELD_MOST = 256;

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/**
 * Sets or (value undefined) removes what a dotted path names, in place.
 * @param {object} data
 * @param {string} path
 * @param {*} value
 * @returns {boolean} false, and nothing changed, where the path cannot be set
 */
export function setPath(data, path, value) {
    const keys = path.split('.');
    if (keys.some((key) => key === '' || FORBIDDEN.has(key)))
        return false;
    const last = keys.pop();
    let place = data;
    for (const key of keys) {
        if (place[key] === undefined) {
            if (value === undefined)
                return true;
            place[key] = {};
        }
        place = place[key];
        if (!isObject(place))
            return false;
    }
    if (value === undefined)
        delete place[last];
    else
        place[last] = value;
    return true;
}

/** @param {string} text @returns {string} as our servers print it: only what must be escaped, hexadecimal in capitals */
const printText = (text) =>
    JSON.stringify(text).replace(/\\u[0-9a-f]{4}|\\./g, (found) => (found[1] === 'u' ? `\\u${found.slice(2).toUpperCase()}` : found));

const compareBytes = (a, b) => { // UTF-8 order is code point order, which UTF-16 order is not
    const left = Array.from(a, (c) => c.codePointAt(0));
    const right = Array.from(b, (c) => c.codePointAt(0));
    const differs = left.findIndex((point, i) => point !== right[i]);
    return differs < 0 ? left.length - right.length : left[differs] - (right[differs] ?? -1);
};

/**
 * Canonical JSON: keys sorted by bytes, no blanks. What state hashes are made over.
 * @param {*} value
 * @returns {string}
 */
export function canonical(value) {
    if (Array.isArray(value))
        return `[${value.map(canonical).join(',')}]`;
    if (isObject(value))
        return `{${Object.keys(value).sort(compareBytes).map((key) => `${printText(key)}:${canonical(value[key])}`).join(',')}}`;
    return typeof value === 'string' ? printText(value) : JSON.stringify(value);
}

/**
 * @param {object} data
 * @returns {Promise<string>} SHA-256 of the canonical JSON, hexadecimal; needs a secure context (https or localhost)
 */
export async function stateHash(data) {
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(canonical(data)));
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** One observed object. Plain data: no network. */
export class ObservedObject {
    /** @param {Snapshot} snapshot */
    constructor(snapshot) {
        /** @type {string} */
        this.url = snapshot.url;
        this.restart(snapshot);
    }

    /** Starts anew at a snapshot. @param {Snapshot} snapshot */
    restart(snapshot) {
        /** @type {number} */
        this.version = Number(snapshot.version) || 0;
        /** @type {object} */
        this.data = isObject(snapshot.data) ? structuredClone(snapshot.data) : {};
        /** @type {string} */
        this.name = snapshot.name ?? this.name ?? '';
    }

    /**
     * @param {Change} change
     * @returns {'applied'|'old'|'gap'|'unfit'} unfit: its path cannot be set; the version counts all the same
     */
    apply(change) {
        const version = change.version ?? this.version + 1;
        if (version <= this.version)
            return 'old';
        if (version > this.version + 1)
            return 'gap';
        this.version = version;
        if (change.attribute)
            return setPath(this.data, change.attribute, change.value) ? 'applied' : 'unfit';
        if (!isObject(change.value))
            return 'unfit';
        this.data = change.value;
        return 'applied';
    }
}

/**
 * Keeps one object in step: feed it what arrives at `<url>/changes`.
 */
export class Observer {
    #ask;
    #onChange;
    /** @type {Map<number, Change>} ahead of what we have */
    #held = new Map();
    #asking = null;

    /**
     * @param {Snapshot} snapshot
     * @param {(version: number|undefined) => Promise<object>} ask subscribes again from a version on (undefined: anew); resolves
     *     with the answer's `value`: a Snapshot, or {version, changes}
     * @param {(change: Change|null) => void} onChange after each change; null: after a new snapshot
     */
    constructor(snapshot, ask, onChange) {
        this.object = new ObservedObject(snapshot);
        this.#ask = ask;
        this.#onChange = onChange;
    }

    /** @param {import('./socket.js').Message} message an update, or the event with a digest */
    feed(message) {
        const type = String(message.type).toLowerCase();
        const body = message.body ?? {};
        if (type === 'update')
            this.#take(body);
        else if (type === 'event' && Number(body.value?.version ?? body.version) > this.object.version)
            this.resume().catch(() => {}); // a lost last update
    }

    /**
     * Asks for what is missing. One question at a time.
     * @returns {Promise<void>} rejects with the ParleyError of the answer
     */
    resume() {
        this.#asking ??= this.#resume().finally(() => (this.#asking = null));
        return this.#asking;
    }

    async #resume() {
        const value = await this.#ask(this.object.version);
        if (Array.isArray(value?.changes)) {
            value.changes.forEach((change) => this.#apply(change));
        } else if (value && Number(value.version) >= this.object.version) {
            this.object.restart(value);
            this.#onChange(null);
        }
        this.#release();
    }

    #take(change) {
        if (this.#apply(change) === 'gap') {
            if (this.#held.size < HELD_MOST)
                this.#held.set(change.version, change);
            this.resume().catch(() => {});
        } else {
            this.#release();
        }
    }

    #apply(change) {
        const result = this.object.apply(change);
        if (result === 'applied')
            this.#onChange(change);
        return result;
    }

    #release() {
        for (let next; (next = this.#held.get(this.object.version + 1)); this.#held.delete(next.version))
            this.#apply(next);
        for (const version of this.#held.keys())
            if (version <= this.object.version)
                this.#held.delete(version);
    }
}
