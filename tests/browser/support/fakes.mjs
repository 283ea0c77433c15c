// SPDX-License-Identifier: MIT
// The world around the library's message channel, under a test's control: a clock that moves when told, and sockets whose
// other end is the test.
import './globals.mjs';

/** Replaces the timers of this process; restore() puts them back. */
export class FakeClock {
    #real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
    #timers = new Map();
    #next = 1;
    now = 0;

    constructor() {
        globalThis.setTimeout = (call, ms = 0, ...args) => {
            this.#timers.set(this.#next, { at: this.now + ms, call: () => call(...args) });
            return this.#next++;
        };
        globalThis.clearTimeout = (id) => this.#timers.delete(id);
    }

    /** Lets time pass, running what falls due, in order. */
    async pass(ms) {
        const end = this.now + ms;
        for (;;) {
            await settled();
            const due = [...this.#timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
            if (!due)
                break;
            this.#timers.delete(due[0]);
            this.now = Math.max(this.now, due[1].at);
            due[1].call();
        }
        this.now = end;
    }

    /** When the next timer falls due, from now; Infinity if there is none. */
    get next() {
        return Math.min(Infinity, ...[...this.#timers.values()].map((timer) => timer.at - this.now));
    }

    restore() {
        Object.assign(globalThis, this.#real);
    }
}

/** Until every promise that can go on has gone on. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A class of sockets; `sockets` holds those that were made. The test is the gateway. */
export function fakeSockets() {
    const sockets = [];
    class FakeSocket {
        readyState = 0;
        sent = [];

        constructor(url) {
            this.url = url;
            sockets.push(this);
        }

        send(text) {
            this.sent.push(JSON.parse(text));
        }

        close() {
            this.readyState = 3;
        }

        // the other end
        open() {
            this.readyState = 1;
            this.onopen?.({});
        }

        receive(message) {
            this.onmessage?.({ data: typeof message === 'string' ? message : JSON.stringify(message) });
        }

        answer(request, body) {
            this.receive({ id: request.id, type: 'response', from: request.to, to: request.from, body });
        }

        break() {
            this.readyState = 3;
            this.onclose?.({ code: 1006, reason: '' });
        }

        /** Opens and answers the handshake. */
        greet(token = 's1.sig') {
            this.open();
            this.answer(this.sent[0], { code: 200, runtimeToken: token });
        }
    }
    return { FakeSocket, sockets };
}
