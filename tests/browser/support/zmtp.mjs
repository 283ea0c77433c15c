// SPDX-License-Identifier: MIT
// A publisher on the bus that says what it likes: ZMTP 3.0 with the NULL mechanism over a plain socket, no checks. For bad
// input only.
import { once } from 'node:events';
import { connect } from 'node:net';

const COMMAND = 4;
const MORE = 1;

function frame(flags, body) {
    const long = body.length > 255;
    const head = Buffer.alloc(long ? 9 : 2);
    head[0] = flags | (long ? 2 : 0);
    if (long)
        head.writeBigUInt64BE(BigInt(body.length), 1);
    else
        head[1] = body.length;
    return Buffer.concat([head, body]);
}

export class Publisher {
    /** @param {string} endpoint tcp://host:port */
    static async connect(endpoint) {
        const publisher = new Publisher();
        publisher.endpoint = endpoint;
        await publisher.#connect();
        return publisher;
    }

    async #connect() {
        const { hostname, port } = new URL(this.endpoint.replace('tcp:', 'http:'));
        this.socket = connect(Number(port), hostname);
        await once(this.socket, 'connect');
        this.socket.on('error', () => {}); // cut off: the next message comes by a new connection
        const greeting = Buffer.alloc(64);
        greeting.set([0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0]);
        greeting.write('NULL', 12);
        this.socket.write(greeting);
        const property = (name, value) => Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from([0, 0, 0, value.length]), Buffer.from(value)]);
        this.socket.write(frame(COMMAND, Buffer.concat([Buffer.from([5]), Buffer.from('READY'), property('Socket-Type', 'PUB')])));
        await once(this.socket, 'data');
    }

    /** @param {Buffer[]} parts of one message */
    async send(parts) {
        const data = Buffer.concat(parts.map((part, i) => frame(i < parts.length - 1 ? MORE : 0, part)));
        if (!this.socket.writable)
            await this.#connect();
        if (!this.socket.write(data))
            await Promise.race([once(this.socket, 'drain'), once(this.socket, 'close')]).catch(() => {});
    }

    close() {
        this.socket.destroy();
    }
}
