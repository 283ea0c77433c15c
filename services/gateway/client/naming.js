// SPDX-License-Identifier: MIT
// Whose picture a video slot shows now: rules on plain data, no browser in sight.
//
// A slot is one stream for life that carries one participant after another. Who it carries is data that comes by the
// WebSocket; the pictures come by UDP; neither waits for the other. A picture may only ever be seen under the right name, so:
//   - data that names somebody else take the picture away from the old name at once;
//   - the new name gets it with the first frame whose RTP timestamp is not before `from` (modulo 2^32);
//   - every packet carries the number of its participant (CSRC): the first frame with another number than the shown name's
//     takes the picture away; if more follow and the data still say otherwise, the number itself names them. So names stay
//     right also while the WebSocket is away.

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
    #entry = null; // from the data
    #used = false; // something may have been played in this slot before
    #strange = 0;
    #late = 0;
    #lastRtp = null;

    /** @type {SlotEntry|null} whose frames the slot shows for sure; null: nobody's, show nothing */
    shown = null;

    /** @returns {boolean} whether somebody waits for the next frame: look often */
    get waiting() {
        return this.#entry !== null && this.shown === null;
    }

    /**
     * The data of the slot, each time they may have changed.
     * @param {SlotEntry|undefined} entry
     * @returns {boolean} whether `shown` has changed
     */
    tell(entry) {
        const before = this.shown;
        if (entry?.participant && this.#entry && isSame(entry, this.#entry) && entry.from === this.#entry.from)
            return false;
        this.#entry = entry?.participant ? entry : null;
        this.#strange = this.#late = 0;
        if (this.#entry === null)
            this.shown = null;
        else if (before && isSame(before, this.#entry))
            this.shown = this.#entry;
        else
            this.shown = this.#used ? null : this.#entry; // nothing older can come out of a slot that was never used
        this.#used ||= this.#entry !== null;
        return before?.participant !== this.shown?.participant || before?.source !== this.shown?.source;
    }

    /**
     * The newest frame that the slot has delivered.
     * @param {number|undefined} rtp its timestamp
     * @param {number|undefined} number its participant's, where the packets tell
     * @param {(number: number) => SlotEntry|null} find who has that number
     * @returns {boolean} whether `shown` has changed
     */
    frame(rtp, number, find = () => null) {
        if (rtp === undefined || rtp === this.#lastRtp || this.#entry === null)
            return false;
        this.#lastRtp = rtp;
        if (this.shown === null)
            return this.#await(rtp, number, find);
        if (number === undefined || number === this.shown.number)
            return false;
        this.shown = null;
        return true;
    }

    #await(rtp, number, find) {
        const entry = this.#entry;
        const right = number === undefined || number === entry.number;
        const after = reached(rtp, entry.from ?? rtp);
        if (right && (after || ++this.#late > LATE_MOST))
            this.shown = entry;
        else if (!right && after && ++this.#strange > STRANGE_MOST)
            this.shown = find(number);
        if (this.shown)
            this.#strange = this.#late = 0;
        return this.shown !== null;
    }
}

const isSame = (a, b) => a.participant === b.participant && (a.source ?? 'video') === (b.source ?? 'video') && a.number === b.number;
