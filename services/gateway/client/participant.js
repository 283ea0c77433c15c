// SPDX-License-Identifier: MIT
// One person in a room, as a page sees it: who it is, and the stream that carries it now.

const MUTED = new Set(['in', 'none', 'inactive']); // directions of a resource whose owner sends nothing

/** @param {object} value of the Communication's participants @param {string} type @returns {string|undefined} */
export const directionOf = (value, type) =>
    (Array.isArray(value?.resources) ? value.resources : []).find((resource) => resource?.type === type)?.direction;

export class Participant {
    /**
     * @param {string} id
     * @param {MediaStream|null} stream
     */
    constructor(id, stream) {
        /** @type {string} last segment of its Connection's URL */
        this.id = id;
        /** @type {string} for people */
        this.name = '';
        /** @type {string} joined, invited, … */
        this.status = 'joined';
        /** @type {number} in this room, never used again: the CSRC of its packets */
        this.number = 0;
        /** @type {MediaStream|null} the same object as long as the participant is here; its tracks are those that carry it now */
        this.stream = stream;
        /** @type {MediaStreamTrack|null} what it shows of its screen, where we have a slot for it */
        this.screen = null;
        /** @type {boolean} its microphone is off */
        this.muted = false;
        /** @type {boolean} its camera is off */
        this.cameraOff = false;
        /** @type {boolean} is heard at this moment */
        this.speaking = false;
        /** @type {number} dBov, -127 to 0 */
        this.level = -127;
        /** @type {boolean} we have asked for its picture */
        this.watched = false;
    }

    /** @returns {boolean} whether its picture can be seen now */
    get visible() {
        return (this.stream?.getVideoTracks().length ?? 0) > 0;
    }

    /** @param {object} value of the Communication's participants @returns {boolean} whether anything has changed */
    update(value) {
        const before = JSON.stringify(this);
        this.name = String(value.identity?.userProfile?.preferred_username || 'Guest');
        this.status = String(value.status ?? 'joined');
        this.number = Number(value.number) || 0;
        this.muted = MUTED.has(directionOf(value, 'audio'));
        this.cameraOff = MUTED.has(directionOf(value, 'video'));
        return before !== JSON.stringify(this);
    }
}
