// SPDX-License-Identifier: MIT
// What is received: puts each slot's track into the stream of the participant whom it carries now, and plays the voices.
//
// A picture is in a participant's stream only while the slot's frames are surely that participant's (naming.js). Which frames a
// slot is about to decode is told by the gate in front of its decoder (gate.js), which it delivered last is asked of its
// receiver. So this needs no element of the page, and works with any.

import { Media } from './media.js';

const LOOK_MS = 33;
const LOOK_CLOSELY_MS = 8; // while a slot is about to change
const LOOK_HIDDEN_MS = 500; // nobody sees the page
export class Stage {
    #participants;
    #tell;
    #media = null;
    #timer = null;
    /** @type {HTMLAudioElement[]} one a voice slot, whoever is in it: sound never stops for a change of names */
    #audio = [];

    /** @type {boolean} the browser waits for a click before it plays sound */
    audioBlocked = false;

    /**
     * @param {Map<string, import('./participant.js').Participant>} participants of the room, which it goes on changing
     * @param {(event: string, detail: object) => void} tell
     */
    constructor(participants, tell) {
        this.#participants = participants;
        this.#tell = tell;
    }

    /** Takes its slots from this peer connection from now on. @param {Media} media */
    use(media) {
        this.#media = media;
        this.#playAudio();
        media.slots.filter(({ gate }) => gate).forEach((slot) => this.#guard(slot));
        clearTimeout(this.#timer);
        this.#lookAtFrames();
    }

    close() {
        clearTimeout(this.#timer);
        this.#silence();
    }

    /**
     * The slots' data, or the participants, have changed.
     * @param {Object<string, import('./naming.js').SlotEntry>} entries by mid
     */
    read(entries) {
        for (const slot of this.#media?.slots ?? []) {
            slot.name.tell(entries[slot.mid]);
            slot.name.resolve((number) => this.#entryOf(number));
            if (slot.kind === 'audio') // heard under the name that the data give: a voice has no frame to wait for
                slot.name.shown = entries[slot.mid]?.participant ? entries[slot.mid] : null;
        }
        this.#place();
    }

    // ------------------------------------------------------------------------------------------------ sound

    /** Plays the sound that the browser held back. Call it in a click. */
    async startAudio() {
        await Promise.all(this.#audio.map((element) => element.play().catch(() => {})));
        this.#blocked(this.#audio.some((element) => element.paused));
    }

    #playAudio() {
        this.#silence();
        for (const { track } of this.#media.slots.filter(({ kind }) => kind === 'audio')) {
            const element = new Audio();
            element.srcObject = new MediaStream([track]);
            this.#audio.push(element);
            element.play().catch((error) => error.name === 'NotAllowedError' && this.#blocked(true));
        }
    }

    #silence() {
        this.#audio.forEach((element) => (element.srcObject = null));
        this.#audio = [];
    }

    #blocked(blocked) {
        if (blocked === this.audioBlocked)
            return;
        this.audioBlocked = blocked;
        this.#tell('audioblocked', { blocked });
    }

    // ------------------------------------------------------------------------------------------------ pictures

    /** Answers the gate of a slot when the names are right: frames of the next participant may be decoded then. */
    #guard(slot) {
        slot.gate.onmessage = ({ data: { number, rtp } }) => {
            if (slot.name.arrives(number, rtp, (n) => this.#entryOf(n)))
                this.#place();
            slot.gate.postMessage('go on');
        };
    }

    #lookAtFrames = () => {
        const slots = this.#media.slots.filter(({ kind }) => kind === 'video');
        let changed = false;
        for (const { name, receiver } of slots.filter(({ name }) => name.waiting || (name.shown && !name.guarded))) {
            const { rtp, number } = Media.newestFrame(receiver);
            changed = name.delivered(rtp, number, (n) => this.#entryOf(n)) || changed;
        }
        if (changed)
            this.#place();
        const closely = slots.some(({ name }) => name.waiting);
        const pause = globalThis.document?.hidden ? LOOK_HIDDEN_MS : closely ? LOOK_CLOSELY_MS : LOOK_MS;
        this.#timer = setTimeout(this.#lookAtFrames, pause);
    };

    #entryOf(number) {
        for (const participant of this.#participants.values())
            if (participant.number === number)
                return { participant: participant.id, source: 'video', number };
        return null;
    }

    /** First out of the old streams everywhere, then into the new ones. */
    #place() {
        const wanted = new Map([...this.#participants.values()].map((participant) => [participant, { tracks: [], screen: null }]));
        for (const { name, track } of this.#media?.slots ?? []) {
            const place = wanted.get(this.#participants.get(name.shown?.participant));
            if (place && name.shown.source === 'screen')
                place.screen = track;
            else
                place?.tracks.push(track);
        }
        const emptied = [...wanted].filter(([participant, { tracks, screen }]) => take(participant, tracks, screen));
        emptied.forEach(([participant]) => this.#tell('media', { participant }));
        const filled = [...wanted].filter(([participant, { tracks, screen }]) => give(participant, tracks, screen));
        filled.forEach(([participant]) => this.#tell('media', { participant }));
    }
}

/** @returns {boolean} whether the participant had anything that it is not to have */
function take(participant, tracks, screen) {
    const excess = participant.stream.getTracks().filter((track) => !tracks.includes(track));
    excess.forEach((track) => participant.stream.removeTrack(track));
    const hides = participant.screen !== null && participant.screen !== screen;
    if (hides)
        participant.screen = null;
    return excess.length > 0 || hides;
}

/** @returns {boolean} whether the participant has got anything new */
function give(participant, tracks, screen) {
    const had = participant.stream.getTracks();
    const missing = tracks.filter((track) => !had.includes(track));
    missing.forEach((track) => participant.stream.addTrack(track));
    const shows = participant.screen !== screen;
    participant.screen = screen;
    return missing.length > 0 || shows;
}
