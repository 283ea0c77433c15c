// SPDX-License-Identifier: MIT
// A gateway, a registry and a room process that are this test: the page's files from the source tree, its WebSocket answered
// here, and its offer answered by another page of the same browser (support/fake_room.js). So that the page and the library
// can be tested, and looked at, alone.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const CLIENT = fileURLToPath(new URL('../../../services/gateway/client/', import.meta.url));
const TYPES = { html: 'text/html', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' };
const POLICY = "default-src 'self'"; // as the gateway says it: nothing inline, nothing from elsewhere
export const ORIGIN = 'http://localhost:1';

const GREETING_MS = 150; // as from a far gateway
const delay = (ms) => new Promise((later) => setTimeout(later, ms));

export class FakeGateway {
    #greeting = null;

    /** @param {string} [origin] @param {string} [domain] of the suite */
    constructor(origin = ORIGIN, domain = 'localhost') {
        this.origin = origin;
        this.domain = domain;
        this.sockets = [];
        this.heard = [];
        this.heardBeforeGreeting = [];
        this.version = 3;
        this.participants = {};
        this.room = null; // a page that answers offers
        this.slots = {};
        this.answerVersion = 2 ** 32 + 1;
        this.refuse = null; // body with which joins are refused
        this.relays = []; // that each answer to a join names
        this.ended = false;
        this.nextNumber = 1;
        this.epoch = 1;
    }

    /** Serves this page. */
    async serve(page) {
        await page.route(`${this.origin}/**`, async (route) => {
            const { pathname } = new URL(route.request().url());
            const name = pathname === '/' ? 'index.html' : pathname.replace('/client/', '');
            await route.fulfill({ body: await readFile(CLIENT + name), contentType: TYPES[name.split('.').pop()], headers: { 'Content-Security-Policy': POLICY } });
        });
        await page.routeWebSocket(/\/ws$/, (socket) => {
            this.sockets.push(socket);
            socket.onMessage((text) => this.#receive(socket, JSON.parse(text)).catch((error) => {
                if (!this.ended)
                    throw error;
            }));
        });
    }

    /** The test is over: what pages still ask while they close may stay without an answer. */
    end() {
        this.ended = true;
    }

    get socket() {
        return this.sockets.at(-1);
    }

    heardOf(type) {
        return this.heard.filter((message) => message.type === type);
    }

    /** Somebody joins, as the room tells it. */
    enter(id, name, resources = ['audio', 'video'].map((type) => ({ type, direction: 'inout' }))) {
        this.participants[id] = { hypertyURL: `hyperty://localhost/${id}`, status: 'joined', number: this.nextNumber++, resources,
            identity: { userProfile: { preferred_username: name } } };
        this.change(`participants.${id}`, this.participants[id]);
    }

    leave(id, reason = 'left') {
        delete this.participants[id];
        this.change(`participants.${id}`, undefined, { reason });
    }

    change(attribute, value, more = {}) {
        this.version++;
        this.publish(this.url, { version: this.version, attribute, value, ...more });
    }

    /** What a slot carries from now on. */
    fill(mid, entry) {
        this.slots[mid] = entry;
        this.answerVersion++;
        this.publish(this.answer, { version: this.answerVersion, attribute: `slots.${mid}`, value: entry });
    }

    publish(url, body, type = 'update') {
        this.socket?.send(JSON.stringify({ id: Math.random(), type, from: url, to: `${url}/changes`, body }));
    }

    get url() {
        return 'comm://localhost/demo-00000001';
    }

    get data() {
        return { roomId: 'demo', status: 'open', mode: 'forward', participants: this.participants, placement: { epoch: this.epoch } };
    }

    async #receive(socket, message) {
        this.heard.push(message);
        if (!this.greeted)
            this.heardBeforeGreeting.push(message);
        if (message.type === 'update' || message.type === 'close' || message.type === 'response')
            return;
        if (message.type === 'open')
            this.#greeting ??= delay(GREETING_MS).then(() => (this.greeted = true));
        await this.#greeting; // what comes before is held, as the real one does
        const body = await this.#respond(message);
        if (body)
            socket.send(JSON.stringify({ id: message.id, type: 'response', from: message.to, to: message.from, body }));
    }

    async #respond({ type, to, body }) {
        if (type === 'open' || type === 're-open')
            return { code: 200, runtimeToken: 's1.sig', domain: this.domain };
        if (!to.includes(`://${this.domain}/`) && !to.includes(`.${this.domain}/`))
            return { code: 404, reason: 'no_route', desc: 'x' };
        if (to.endsWith('/address-allocation'))
            return { code: 200, value: { allocated: [`${body.scheme}://${this.domain}/me`] } };
        if (type === 'create')
            return this.refuse ?? this.#join(body);
        if (to.endsWith('/subscription'))
            return { code: 200, value: to.startsWith('comm') ? this.#snapshot() : this.#answerObject() };
        return { code: 200 };
    }

    async #join(body) {
        const me = body.value.url.split('/').pop();
        this.answer = `connection://localhost/media-${me}`;
        this.participants[me] ??= { status: 'joined', number: this.nextNumber++, identity: body.identity, resources: [] };
        this.sdp = await this.room.evaluate((sdp) => fakeRoom.answer(sdp), body.value.data.connectionDescription.sdp);
        return { code: 200, participant: me, value: this.#snapshot(), answer: this.#answerObject(), iceServers: this.relays };
    }

    #snapshot() {
        return { url: this.url, name: 'demo', version: this.version, data: this.data };
    }

    #answerObject() {
        return { url: this.answer, version: this.answerVersion,
            data: { connectionDescription: { type: 'answer', sdp: this.sdp }, slots: this.slots } };
    }
}
