// SPDX-License-Identifier: MIT
// What can go wrong, as one kind of error: a numeric code and a reason that a program can compare (the enumeration of
// proto/conference.proto, plus the client's own below), and a sentence that a person can read.

/** Sentences for people, by reason. What is missing here is told in the server's own words. */
const SENTENCES = {
    // of the suite
    malformed: 'The server did not understand the request.',
    too_large: 'The request was too large for the server.',
    not_owner: 'This address belongs to another session.',
    forbidden: 'You may not join this room.',
    bad_token: 'Your invitation is not valid, or has expired.',
    locked: 'The room is locked: nobody can join at present.',
    no_route: 'The conference service is not reachable at present.',
    no_such_room: 'There is no such room.',
    no_such_participant: 'That person is no longer in the room.',
    too_many: 'Too many requests. Please wait a moment.',
    room_full: 'The room is full.',
    no_capacity: 'The server has no capacity left for this room.',
    overloaded: 'The server is very busy at present. Please try again in a moment.',
    quarantined: 'This room has crashed several times and is closed for a minute.',
    bad_offer: 'The server cannot use what this browser offers to send.',
    not_stored: 'The server cannot store anything at present.',
    timeout: 'The server did not answer in time.',
    draining: 'The server is about to be restarted. Please try again in a moment.',
    bad_origin: 'This server does not accept pages from this address.',
    // of the client
    unreachable: 'The server cannot be reached.',
    closed: 'The connection has been closed.',
    already_joined: 'You are already in this room.',
    bad_answer: 'This browser cannot use what the server offers to send.',
    unsupported_browser: 'This browser cannot take part: it has no WebRTC.',
};

/** Reasons for which the same request may well succeed a little later. */
const TEMPORARY = new Set(['no_route', 'not_stored', 'timeout', 'draining', 'too_many', 'no_capacity', 'unreachable']);

export class ParleyError extends Error {
    /**
     * @param {string} reason one of the suite's refusal reasons, or unreachable, closed, …
     * @param {{code?: number, description?: string, retryAfter?: number}} [details] as the server told them
     */
    constructor(reason, { code = 0, description = '', retryAfter = 0 } = {}) {
        super(SENTENCES[reason] ?? (description || `The server refused (${code} ${reason}).`));
        this.name = 'ParleyError';
        /** @type {string} */
        this.reason = reason;
        /** @type {number} of the answer; 0 where there was none */
        this.code = code;
        /** @type {string} the server's own words, for a log */
        this.description = description;
        /** @type {number} seconds; 0: not told */
        this.retryAfter = retryAfter;
    }

    /** @returns {boolean} whether it is worth trying again soon */
    get temporary() {
        return TEMPORARY.has(this.reason) || this.code === 408 || this.code === 429 || this.code >= 500;
    }

    /**
     * @param {object} body of an answer with a code from 300 on
     * @returns {ParleyError}
     */
    static of(body) {
        const description = String(body.desc ?? body.description ?? '');
        const reason = typeof body.reason === 'string' ? body.reason : body.code === 404 ? 'no_route' : 'refused';
        return new ParleyError(reason, { code: Number(body.code) || 0, description, retryAfter: Number(body.retry_after) || 0 });
    }
}
