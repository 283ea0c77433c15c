// SPDX-License-Identifier: MIT
// Whose picture a video slot shows now: rules on plain data, no browser in sight.
//
// A slot is one stream for life that carries one participant after another. Who it carries is data that comes by the
// WebSocket; the pictures come by UDP; neither waits for the other. A picture may only ever be seen under the right name.
//
// Every packet carries the number of its participant (CSRC). Where the browser lets us look at frames before they are decoded
// (gate.js), a change of number is told by arrives() and nothing of the new participant is decoded before the old name has lost
// the picture: the numbers name the pictures, the data only add what a number does not say (camera or screen, or: empty).
// Elsewhere the data that name somebody else take the picture away at once, and so does the first delivered frame with another
// number than the shown name's.
//
// Either way the new name gets the picture when the slot's receiver has delivered a frame whose RTP timestamp is not before the
// new one's first (modulo 2^32): older ones have left the track by then.

/**
 * @typedef {object} SlotEntry what the room process says of a slot
 * @property {string} [participant] absent: the slot is empty
 * @property {string} [source] video or screen
 * @property {number} [number] of the participant: the CSRC of its packets
 * @property {number} [from] first RTP timestamp of this source on the slot's clock
 */

/** @param {number} rtp @param {number} from @returns {boolean} whether rtp is not before from, modulo 2^32 */
export const reached = (rtp, from) => ((rtp - from) | 0) >= 0;

const STRANGE_MOST = 2; // frames against the data before their own number is believed
const LATE_MOST = 60; // frames of the right participant that seem to lie before `from`: it is half a turn of the clock ago

export class SlotName {
    #told = null; // the data
    #target = null; // whose frames are shown, or are to be: as told, or as numbered
    #used = false; // something may have been played in this slot before
    #strange = 0;
    #late = 0;
    #lastRtp = null;
    #number = null; // of the frames that go to the decoder; null: nobody tells us

    /** @type {SlotEntry|null} whose frames the slot shows for sure; null: nobody's, show nothing */
    shown = null;

    /** @returns {boolean} whether somebody waits for the first frame: look closely */
    get waiting() {
        return this.#target !== null && this.shown === null;
    }

    /** @returns {boolean} whether a gate tells who comes: what is shown need not be looked at */
    get guarded() {
        return this.#number !== null;
    }

    /**
     * The data of the slot, each time they may have changed.
     * @param {SlotEntry|undefined} entry
     * @returns {boolean} whether `shown` has changed
     */
    tell(entry) {
        const told = entry?.participant ? entry : null;
        if (told === this.#told || (told && this.#told && isSame(told, this.#told) && told.from === this.#told.from))
            return false;
        const before = this.shown;
        this.#told = told;
        if (this.#number === null || told === null || told.number === this.#number)
            this.#follow(told);
        return isChanged(before, this.shown);
    }

    #follow(told) {
        const before = this.shown;
        const unchanged = told && this.#target && isSame(this.#target, told);
        if (unchanged && this.#number !== null)
            return;
        this.#aim(told);
        if (told && ((before && isSame(before, told)) || !this.#used))
            this.shown = told; // nothing older can come out of a slot that was never used
        this.#used ||= told !== null;
    }

    /**
     * The frames that come now, none of which has been decoded yet, are of the participant with this number.
     * @param {number} number
     * @param {number} rtp timestamp of the first
     * @param {(number: number) => SlotEntry|null} find who has that number
     * @returns {boolean} whether `shown` has changed
     */
    arrives(number, rtp, find) {
        const before = this.shown;
        this.#number = number;
        if (this.#target?.number === number)
            return false;
        this.#aim({ ...(this.#told?.number === number ? this.#told : find(number)), number, from: rtp });
        if (!this.#used && this.#target.participant)
            this.shown = this.#target;
        this.#used = true;
        return isChanged(before, this.shown);
    }

    /** Participants have come: one may have the number that nobody had. @param {(number: number) => SlotEntry|null} find */
    resolve(find) {
        if (this.#target && !this.#target.participant)
            this.#target = { ...this.#target, ...find(this.#target.number), number: this.#target.number, from: this.#target.from };
    }

    #aim(target) {
        this.#target = target;
        this.shown = null;
        this.#strange = this.#late = 0;
        this.#lastRtp = null;
    }

    /**
     * The newest frame that the slot's receiver has delivered.
     * @param {number|undefined} rtp its timestamp
     * @param {number|undefined} number its participant's, where the packets tell
     * @param {(number: number) => SlotEntry|null} find who has that number
     * @returns {boolean} whether `shown` has changed
     */
    delivered(rtp, number, find) {
        if (rtp === undefined || rtp === this.#lastRtp || this.#target === null)
            return false;
        this.#lastRtp = rtp;
        const before = this.shown;
        const right = number === undefined || number === this.#target.number;
        if (this.shown === null)
            this.#expect(rtp, number, right, find);
        else if (!right && !this.guarded)
            this.#believe(rtp, number, find);
        return isChanged(before, this.shown);
    }

    #expect(rtp, number, right, find) {
        const after = reached(rtp, this.#target.from ?? rtp);
        if (right && after && this.#target.participant)
            this.shown = this.#target;
        else if (this.guarded)
            return;
        else if (right && !after && ++this.#late > LATE_MOST)
            this.#aim({ ...this.#target, from: rtp });
        else if (!right && after && ++this.#strange > STRANGE_MOST)
            this.#believe(rtp, number, find);
    }

    #believe(rtp, number, find) {
        this.#aim({ ...find(number), number, from: rtp });
    }
}

const isSame = (a, b) => a.participant === b.participant && (a.source ?? 'video') === (b.source ?? 'video') && a.number === b.number;
const isChanged = (a, b) => a?.participant !== b?.participant || a?.source !== b?.source;
