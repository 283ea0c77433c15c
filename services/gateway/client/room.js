// SPDX-License-Identifier: MIT
// A joined room: who is in it, their streams, and what keeps both right through faults.
//
// Three sources tell of a room, and none waits for another: the Communication object (who is here, where the room's media
// lives), the answering Connection (what each slot carries), and the media themselves. `#refresh` compares what the objects say
// with what the page was told and tells the difference, so that a change, a snapshot after a fault and a new join are one thing.
//
// Renewing (connection failed, room placed anew, evicted while away) makes a fresh peer connection with the same tracks and
// creates the same Connection object again with the next version: the same participant, the same tiles.

import { backoff } from './socket.js';
import { SOURCES } from './media.js';
import { Observer, stateHash } from './objects.js';
import { Participant, directionOf } from './participant.js';
import { Stage } from './stage.js';
import { ParleyError } from './errors.js';

const RELAY_MS = 3000; // no direct way to the room for so long: try again by relays
const DISCONNECTED_MS = 4000; // media gone for so long: do not wait for `failed`
const SPEAKING_DBOV = -55;
const WATCH_MOST = 32;
const EPOCH = 2 ** 32; // a room process' objects start at placement epoch · 2³² + 1

const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * @typedef {'connecting'|'connected'|'interrupted'|'ended'} MediaState
 */

/**
 * Events, all with `detail`: `participantjoined` {participant}, `participantleft` {participant, reason}, `participantchanged`
 * {participant}, `media` {participant} (its stream's tracks changed), `speakers` {speakers}, `mediastate` {state},
 * `audioblocked` {}, `ended` {reason, error}.
 */
export class Room extends EventTarget {
    #conference;
    #slots;
    #token;
    #connection; // ours: {url, version}
    #watching = new Map();
    #tracks = { audio: null, video: null, screen: null };
    #off; // by the user: {audio, video}
    #streamKnown = false;
    #media = null;
    #communication = null;
    #answer = null;
    #epoch = 0; // of the placement that answered us
    #resumed = 0; // how often: the latest counts
    #renewing = false;
    #wake = null; // ends the pause before the next try
    #ended = false;
    #silent = null;
    #indirect = null;
    #reason = {}; // participant id → why it left

    /** @type {Map<string, Participant>} the others, by id */
    participants = new Map();
    #stage = new Stage(this.participants, (event, detail) => this.#tell(event, detail));

    /**
     * Made by Conference.joinRoom().
     * @param {object} conference
     * @param {string} id
     * @param {object} options
     */
    constructor(conference, id, { connection, slots, token, name, off }) {
        super();
        this.#conference = conference;
        this.#connection = connection;
        this.#slots = slots;
        this.#token = token;
        this.#off = off;
        /** @type {string} the roomId */
        this.id = id;
        /** @type {Participant} */
        this.self = new Participant(connection.url.split('/').pop(), null);
        this.self.name = name;
    }

    /** @returns {string} of the Communication object */
    get url() {
        return this.#communication?.object.url ?? '';
    }

    /** @returns {number} of the Communication object */
    get version() {
        return this.#communication?.object.version ?? 0;
    }

    /** @returns {string} forward, mix or hybrid */
    get mode() {
        return this.#communication?.object.data.mode ?? 'forward';
    }

    /** @returns {RTCPeerConnection|null} changes when the room's media had to be renewed */
    get peerConnection() {
        return this.#media?.peerConnection ?? null;
    }

    /** @returns {MediaState} */
    get mediaState() {
        if (this.#ended)
            return 'ended';
        const state = this.peerConnection?.connectionState ?? 'new';
        if (state === 'connected')
            return 'connected';
        return state === 'new' || state === 'connecting' ? 'connecting' : 'interrupted';
    }

    /** @returns {Promise<string>} hash of the Communication's data: equal at all observers of one version */
    hash() {
        return stateHash(this.#communication.object.data);
    }

    /**
     * @param {(participant: Participant) => void} callback for those who join from now on
     * @returns {() => void} stops it
     */
    onNewParticipant(callback) {
        return this.#listen('participantjoined', (detail) => callback(detail.participant));
    }

    /**
     * @param {(participant: Participant, reason: string) => void} callback reason: left, lost, removed, replaced
     * @returns {() => void} stops it
     */
    onParticipantLeft(callback) {
        return this.#listen('participantleft', (detail) => callback(detail.participant, detail.reason));
    }

    #listen(event, handle) {
        const listener = (e) => handle(e.detail);
        this.addEventListener(event, listener);
        return () => this.removeEventListener(event, listener);
    }

    #tell(event, detail = {}) {
        this.dispatchEvent(new CustomEvent(event, { detail }));
    }

    // ------------------------------------------------------------------------------------------------ what we send

    /**
     * Sends these tracks from now on; null: nothing. Nobody renegotiates.
     * @param {MediaStream|null} stream
     */
    async setStream(stream) {
        this.self.stream = stream;
        this.#tracks.audio = stream?.getAudioTracks()[0] ?? null;
        this.#tracks.video = stream?.getVideoTracks()[0] ?? null;
        this.#streamKnown = true;
        await this.#send();
        await this.#announce();
    }

    /** @param {boolean} on @returns {Promise<void>} when the others know */
    setMicrophone(on) {
        this.#off.audio = !on;
        return this.#switched();
    }

    /**
     * @param {boolean} on
     * @param {MediaStreamTrack} [track] a new one, where the old one was stopped
     * @returns {Promise<void>} when the others know
     */
    setCamera(on, track) {
        this.#off.video = !on;
        if (track)
            this.#tracks.video = track;
        return this.#switched();
    }

    /** @param {MediaStreamTrack|null} track of the screen; null: stop showing it */
    setScreen(track) {
        this.#tracks.screen = track;
        return this.#switched();
    }

    async #switched() {
        await this.#send();
        await this.#announce();
    }

    #sends(source) {
        return this.#tracks[source] !== null && !this.#off[source];
    }

    /** What the others are told of a source. While the devices are still being opened we hope for the best. */
    #direction(source) {
        const hoped = !this.#streamKnown && source !== 'screen' && !this.#off[source];
        return hoped || this.#sends(source) ? 'inout' : 'in';
    }

    async #send(media = this.#media) {
        const { audio } = this.#tracks;
        if (audio)
            audio.enabled = !this.#off.audio;
        this.self.muted = !this.#sends('audio');
        this.self.cameraOff = !this.#sends('video');
        this.#tell('participantchanged', { participant: this.self });
        if (media)
            await Promise.all(SOURCES.map((source) =>
                media.send(source, source === 'audio' || this.#sends(source) ? this.#tracks[source] : null)));
    }

    /** Tells the others what of ours is on or off, where the room says otherwise. */
    async #announce() {
        const mine = this.#communication?.object.data.participants?.[this.self.id];
        if (!mine || !this.#streamKnown || this.#ended)
            return;
        const wanted = SOURCES.map((source) => [source, this.#direction(source)])
            .filter(([source, direction]) => direction !== directionOf(mine, source));
        await Promise.all(wanted.map(([source, direction]) =>
            this.#execute('setDirection', [this.id, source, direction]).catch(() => {}))); // told again after the next fault
    }

    #execute(method, params, options) {
        return this.#conference.request({ type: 'execute', to: this.#conference.address, body: { method, params } }, options);
    }

    // ------------------------------------------------------------------------------------------------ what we receive

    /**
     * Wishes for a participant's picture, where there are fewer slots than people: the newest wish counts most.
     * @param {Participant|string} participant or its id
     * @param {{size?: 'small'|'medium'|'large'}|null} [wish] null takes the wish back
     */
    watch(participant, wish = {}) {
        const id = typeof participant === 'string' ? participant : participant.id;
        this.#watching.delete(id);
        if (wish !== null)
            this.#watching.set(id, { size: wish.size ?? 'medium' });
        if (this.#watching.size > WATCH_MOST)
            this.#watching.delete(this.#watching.keys().next().value);
        this.#reportWatch();
        for (const [key, other] of this.participants)
            if (other.watched !== this.#watching.has(key)) {
                other.watched = !other.watched;
                this.#tell('participantchanged', { participant: other });
            }
    }

    #reportWatch() {
        if (this.#ended)
            return;
        const { url } = this.#connection;
        this.#connection.version++;
        this.#conference.remember();
        this.#conference.publish({
            type: 'update', from: url, to: `${url}/changes`,
            body: { version: this.#connection.version, source: this.#conference.hyperty, attribute: 'watch',
                value: Object.fromEntries(this.#watching), lastModified: new Date().toISOString() },
        });
    }

    /** @returns {boolean} the browser waits for a click before it plays sound: call startAudio() in one */
    get audioBlocked() {
        return this.#stage.audioBlocked;
    }

    /** Plays the sound that the browser held back. Call it in a click. */
    startAudio() {
        return this.#stage.startAudio();
    }

    #readSlots() {
        this.#stage.read(this.#answer?.object.data.slots ?? {});
    }

    // ------------------------------------------------------------------------------------------------ who is here

    /**
     * A publication for one of this room's objects.
     * @param {string} url of the object
     * @param {import('./socket.js').Message} message
     * @returns {boolean} whether it was for this room
     */
    feed(url, message) {
        if (url === this.url && String(message.type).toLowerCase() === 'delete')
            this.#renew(); // the room has ended without us: we are its first participant again
        else if (url === this.url)
            this.#communication.feed(message);
        else if (url === this.#answer?.object.url)
            this.#answer.feed(message);
        else if (url === this.#contextURL)
            this.#speak(message.body?.value?.speakers);
        else
            return false;
        return true;
    }

    get #contextURL() {
        return `ctxt://${this.#conference.domain}/room/${this.id}`;
    }

    #speak(speakers) {
        const levels = new Map((Array.isArray(speakers) ? speakers : []).map(({ participant, level }) => [participant, Number(level)]));
        for (const participant of [this.self, ...this.participants.values()]) {
            const level = levels.get(participant.id) ?? -127;
            participant.level = level;
            participant.speaking = level > SPEAKING_DBOV;
        }
        this.#tell('speakers', { speakers: [...levels.keys()] });
    }

    #changed(change) {
        const left = /^participants\.([^.]+)$/.exec(change?.attribute ?? '');
        if (left && change.value === undefined)
            this.#reason[left[1]] = change.reason ?? 'left';
        this.#refresh(true);
        this.#readSlots();
        this.#checkPlacement(change);
    }

    /** Makes `participants` what the Communication says. announce: tell the page of it. */
    #refresh(announce) {
        const present = Object.entries(this.#communication.object.data.participants ?? {})
            .filter(([, value]) => value && (value.status ?? 'joined') === 'joined');
        const ids = new Set(present.map(([id]) => id));
        for (const participant of [...this.participants.values()].filter(({ id }) => !ids.has(id)))
            this.#forget(participant);
        for (const [id, value] of present) {
            if (id === this.self.id) {
                this.#refreshSelf(value);
                continue;
            }
            const known = this.participants.get(id);
            const participant = known ?? new Participant(id, new MediaStream());
            this.participants.set(id, participant);
            const changed = participant.update(value);
            if (announce && (!known || changed))
                this.#tell(known ? 'participantchanged' : 'participantjoined', { participant });
        }
        if (announce && !ids.has(this.self.id) && !this.#renewing)
            this.#missed();
        this.#reason = {};
    }

    #forget(participant) {
        this.participants.delete(participant.id);
        this.#watching.delete(participant.id);
        participant.stream.getTracks().forEach((track) => participant.stream.removeTrack(track));
        participant.status = 'left';
        this.#tell('participantleft', { participant, reason: this.#reason[participant.id] ?? 'left' });
    }

    #refreshSelf(value) {
        this.self.number = Number(value.number) || 0;
        this.self.status = String(value.status ?? 'joined');
    }

    /** The room says that we are not in it. */
    #missed() {
        const reason = this.#reason[this.self.id] ?? 'lost';
        if (reason === 'lost')
            this.#renew();
        else
            this.#end(reason);
    }

    // ------------------------------------------------------------------------------------------------ joining, healing, leaving

    /** Joins. @param {Promise<MediaStream|null>|MediaStream|null|undefined} stream */
    async join(stream) {
        if (stream === undefined || stream === null || typeof stream.getTracks === 'function')
            await this.setStream(stream ?? null);
        await this.#negotiate();
        if (this.#streamKnown)
            this.#announce();
        else
            Promise.resolve(stream).catch(() => null).then((late) => this.#ended || this.setStream(late));
    }

    async #negotiate() {
        const media = this.#conference.mediaFor(this.#slots);
        try {
            const answered = this.#conference.create(() => this.#create(media.offer()));
            const [body] = await Promise.all([answered, media.begin(), this.#send(media)]);
            if (this.#ended)
                throw new ParleyError('closed');
            await this.#accept(media, body);
        } catch (error) {
            media.close();
            throw error;
        }
    }

    /** The one message of a join. @returns {Promise<object>} */
    async #create(offer) {
        const { hyperty, name, domain, runtimeURL } = this.#conference;
        const schema = `hyperty-catalogue://catalogue.${domain}/.well-known/dataschema/Connection`;
        const now = new Date().toISOString();
        const sdp = await offer;
        const version = ++this.#connection.version;
        this.#conference.remember();
        return {
            source: hyperty, schema, roomId: this.id, mutual: false, ...(this.#token ? { token: this.#token } : {}),
            identity: { userProfile: { preferred_username: name } },
            value: {
                url: this.#connection.url, schema, name: this.id, reporter: hyperty, runtime: runtimeURL, created: now,
                lastModified: now, version,
                resources: SOURCES.map((type) => ({ type, direction: this.#direction(type) })),
                data: { status: 'new', owner: hyperty, connectionDescription: { type: 'offer', sdp },
                    watch: Object.fromEntries(this.#watching) },
            },
        };
    }

    async #accept(media, body) {
        const description = body.answer?.data?.connectionDescription;
        try {
            await media.accept(String(description?.sdp));
        } catch (error) {
            throw new ParleyError('bad_answer', { description: `The browser refused the room's answer: ${error.message}` });
        }
        const old = this.#media;
        this.#media = media;
        old?.close();
        media.peerConnection.onconnectionstatechange = () => this.#connectionChanged(media);
        this.#learnRelays(media, body.iceServers);
        await this.#send();
        this.self.id = String(body.participant ?? this.self.id);
        const again = this.#communication !== null;
        this.#communication = this.#observe(body.value, (change) => this.#changed(change));
        this.#answer = this.#observe(body.answer, () => this.#readSlots());
        this.#epoch = Math.floor(this.#answer.object.version / EPOCH) || this.#placement(body.value);
        this.#refresh(again);
        this.#stage.use(media);
        this.#readSlots();
        this.#conference.replay();
        if (again)
            this.#announce();
    }

    /** They are for the next connection; one that has not come about soon is given up for it. */
    #learnRelays(media, iceServers) {
        this.#conference.iceServers = Array.isArray(iceServers) ? iceServers : [];
        clearTimeout(this.#indirect);
        if (this.#conference.iceServers.length > 0 && !media.relayed)
            this.#indirect = setTimeout(() => media === this.#media && this.mediaState === 'connecting' && this.#renew(), RELAY_MS);
    }

    #observe(snapshot, onChange) {
        const ask = (version) => this.#conference.subscribe(snapshot.url, version);
        return new Observer(snapshot, ask, (change) => this.#ended || onChange(change));
    }

    #connectionChanged(media) {
        if (media !== this.#media || this.#ended)
            return;
        clearTimeout(this.#silent);
        const { connectionState } = media.peerConnection;
        if (connectionState === 'failed')
            this.#renew();
        else if (connectionState === 'disconnected')
            this.#silent = setTimeout(() => media === this.#media && this.#renew(), DISCONNECTED_MS);
        this.#tell('mediastate', { state: this.mediaState });
    }

    /** The room's media live in another process now: its answers start at a higher epoch. */
    #checkPlacement(change) {
        if (!this.#answer || this.#placement(this.#communication.object) <= this.#epoch)
            return;
        if (/^placement\b/.test(change?.attribute ?? ''))
            this.#wake?.();
        this.#renew();
    }

    /** Before the next try: at least as long as the server asked for, unless the room is placed anew meanwhile. */
    async #pause(attempt, { retryAfter }) {
        await new Promise((resolve) => {
            setTimeout(resolve, Math.max(backoff(attempt), retryAfter * 1000));
            this.#wake = resolve;
        });
        this.#wake = null;
    }

    #placement(communication) {
        return Number(communication.data?.placement?.epoch) || 0;
    }

    async #renew() {
        if (this.#renewing || this.#ended)
            return;
        this.#renewing = true;
        this.#tell('mediastate', { state: 'interrupted' });
        for (let attempt = 0; !this.#ended; attempt++) {
            try {
                await this.#negotiate();
                break;
            } catch (error) {
                if (!(error instanceof ParleyError && error.temporary)) {
                    this.#end('refused', error);
                    break;
                }
                await this.#pause(attempt, error);
            }
        }
        this.#renewing = false;
        this.#ended || this.#checkPlacement();
    }

    /** The session goes on over a new socket: routes again, then what was missed. */
    async resume() {
        if (!this.#answer) // still joining: the request goes out again by itself
            return;
        const turn = ++this.#resumed;
        const resources = [`${this.url}/changes`, `${this.url}/children/`, `${this.#answer.object.url}/changes`, `${this.#contextURL}/changes`];
        for (let attempt = 0; ; attempt++) {
            if (this.#ended || turn !== this.#resumed)
                return;
            try {
                await this.#conference.route([this.#connection.url, ...resources]);
                await this.#communication.resume();
                break;
            } catch (error) {
                if (error.reason === 'no_such_object' || error.reason === 'no_such_room' || error.reason === 'not_participating')
                    return void this.#renew();
                await delay(backoff(attempt + 2));
            }
        }
        this.#refresh(true);
        this.#answer.resume().then(() => this.#readSlots(), (error) => error.reason === 'no_such_object' && this.#renew());
        this.#conference.subscribe(this.#contextURL).catch(() => {});
        this.#watching.size && this.#reportWatch();
        this.#announce();
    }

    /** Our Connection object, for whoever asks. @param {string} url @returns {object|null} */
    snapshot(url) {
        if (url !== this.#connection.url)
            return null;
        return { url, version: this.#connection.version, reporter: this.#conference.hyperty, name: this.id,
            data: { status: this.peerConnection?.iceConnectionState ?? 'new', watch: Object.fromEntries(this.#watching) } };
    }

    /**
     * Leaves: media end at once.
     * @returns {Promise<void>} when the room knows
     */
    async leaveRoom() {
        if (this.#ended)
            return;
        const told = this.#execute('leaveRoom', [this.id], { timeout: 5000 });
        this.#end('left');
        await told;
    }

    /** Ends media and timers; the page is told once. */
    #end(reason, error = null) {
        if (this.#ended)
            return;
        this.#ended = true;
        clearTimeout(this.#indirect);
        clearTimeout(this.#silent);
        this.#stage.close();
        this.#media?.close();
        this.#conference.forget(this);
        this.#tell('ended', { reason, error });
    }

    /** The conference has ended. @param {ParleyError} error */
    abandon(error) {
        this.#end('disconnected', error);
    }
}
