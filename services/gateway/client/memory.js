// SPDX-License-Identifier: MIT
// What a reload of the page needs to go on as the same participant, in sessionStorage; a page without storage starts anew.
// A lock keeps a duplicated tab, which gets a copy of that storage, from taking the session of the tab it was made from.

const RELOAD_MS = 500; // until the page before us has surely let go of its lock

/**
 * @typedef {object} Remembered
 * @property {string} runtimeURL
 * @property {string} token
 * @property {string} hyperty
 * @property {string} domain
 * @property {Object<string, {url: string, version: number}>} rooms our Connection object, by room
 */

export class Memory {
    #storage;
    #key;
    #release = () => {};

    /** @param {Storage|null|undefined} storage @param {string} url of the gateway */
    constructor(storage, url) {
        this.#storage = storage;
        this.#key = `parley ${url}`;
    }

    /** @returns {Remembered|null} what the page before us left, if no other page goes on with it */
    async recall() {
        const record = this.#read();
        return record && (await this.lock(record.runtimeURL)) ? record : null;
    }

    #read() {
        try {
            const record = JSON.parse(this.#storage.getItem(this.#key));
            return record?.runtimeURL && record.token && record.hyperty && record.rooms ? record : null;
        } catch { // no storage, or not ours
            return null;
        }
    }

    /** @param {Remembered|null} record */
    write(record) {
        try {
            this.#storage.setItem(this.#key, JSON.stringify(record));
        } catch {
            // no storage, or it is full: a reload starts anew
        }
    }

    /** Holds a session's lock until release(), or until the page is gone. @returns {Promise<boolean>} false: another page has it */
    lock(runtimeURL) {
        const locks = globalThis.navigator?.locks;
        if (!locks) // a page that is neither from https nor from localhost
            return Promise.resolve(true);
        return new Promise((resolve) => {
            const hold = () => new Promise((release) => {
                this.#release = release;
                resolve(true);
            });
            locks.request(`parley ${runtimeURL}`, { signal: AbortSignal.timeout(RELOAD_MS) }, hold).catch(() => resolve(false));
        });
    }

    release() {
        this.#release();
    }
}
