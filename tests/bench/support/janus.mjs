// SPDX-License-Identifier: MIT
// Janus as Debian packages it, with a configuration folder of its own: the packaged files, told where to listen. Its WebSocket
// port is its own only in a network namespace of its own, where benches run.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../browser/support/suite.mjs';

const PACKAGED = '/etc/janus';
const PORT = 8188;

/** Why there is no Janus here; false if there is. */
export const withoutJanus = !(existsSync('/usr/bin/janus') && existsSync(join(PACKAGED, 'janus.jcfg'))) && 'the Debian package janus is not installed';

const answers = (port) => new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
});

export class Janus {
    /** @param {string[]} [flags] of its command line, e.g. --event-loops */
    static async start(flags = []) {
        const janus = new Janus();
        janus.folder = await mkdtemp(join(tmpdir(), 'parley-janus-'));
        await cp(PACKAGED, janus.folder, { recursive: true });
        const log = openSync(join(janus.folder, 'log'), 'a');
        janus.child = spawn('setpriv', ['--pdeathsig', 'KILL', '/usr/bin/janus', '--configs-folder', janus.folder, '--disable-colors', '--debug-level', '3', ...flags],
            { stdio: ['ignore', log, log] });
        try {
            await until(() => answers(PORT), 'Janus listens');
        } catch (error) {
            console.error(readFileSync(join(janus.folder, 'log'), 'utf8').split('\n').slice(-20).join('\n'));
            await janus.stop();
            throw error;
        }
        return janus;
    }

    /** @param {string} host @returns {string} of its WebSocket */
    url(host) {
        return `ws://${host}:${PORT}/`;
    }

    async stop() {
        if (this.child.exitCode === null && this.child.signalCode === null) {
            const ended = once(this.child, 'exit');
            this.child.kill('SIGKILL');
            await ended;
        }
        await rm(this.folder, { recursive: true, force: true });
    }
}
