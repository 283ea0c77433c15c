// SPDX-License-Identifier: MIT
// Two hosts on one machine: this process is the server's, in a network namespace of its own; the browser gets a second one,
// joined to it by one link, with or without delay. Not loopback, for which Janus offers no candidates: both systems are to be
// measured over the same path. Nothing of it has a name: all of it vanishes with its processes. Needs root.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const SERVER = '10.77.0.1';
const CLIENT = '10.77.0.2';
const DEVICE = 'link0';
const DELAY_LINK = resolve(process.env.PARLEY_BIN ?? 'build/release/bin', '../tests/bench/delay-link');

const run = (...words) => execFileSync(words[0], words.slice(1), { stdio: ['ignore', 'ignore', 'inherit'] });
const enter = (pid) => ['nsenter', `--net=/proc/${pid}/ns/net`];

/** Why there can be no link here; false if there can. */
export const unlinkable = (process.getuid() !== 0 && 'it needs root, for network namespaces') ||
    (!existsSync('/dev/net/tun') && 'there is no /dev/net/tun') || (!existsSync(DELAY_LINK) && `${DELAY_LINK} is not built`);

/**
 * Runs this program in a network namespace of its own.
 * @returns {Promise<number|null>} the exit status of that run; null in it
 */
export async function runAlone() {
    if (process.env.PARLEY_BENCH_ALONE)
        return null;
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', 'unshare', '--net', process.execPath, ...process.argv.slice(1)],
        { stdio: 'inherit', env: { ...process.env, PARLEY_BENCH_ALONE: '1' } });
    const [code] = await once(child, 'exit');
    return code ?? 1;
}

export class Link {
    #holder; // keeps the browser's namespace
    #delay = null;

    /** @param {number} delayMs each way */
    static async start(delayMs) {
        const link = new Link();
        link.#holder = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
        await once(link.#holder.stdout, 'data');
        const { pid } = link.#holder;
        if (delayMs > 0)
            await link.#startDelay(pid, delayMs);
        else
            run('ip', 'link', 'add', DEVICE, 'type', 'veth', 'peer', 'name', DEVICE, 'netns', String(pid));
        for (const [address, where] of [[SERVER, []], [CLIENT, enter(pid)]]) {
            run(...where, 'ip', 'link', 'set', 'lo', 'up');
            run(...where, 'ip', 'address', 'add', `${address}/24`, 'dev', DEVICE);
            run(...where, 'ip', 'link', 'set', DEVICE, 'up');
        }
        run(...enter(pid), 'ip', 'route', 'add', 'default', 'via', SERVER); // browsers offer only what leads somewhere
        return link;
    }

    async #startDelay(pid, delayMs) {
        this.#delay = spawn(DELAY_LINK, [String(delayMs * 1000), String(process.pid), String(pid)], { stdio: ['pipe', 'pipe', 'inherit'] });
        const failed = once(this.#delay, 'exit').then(() => Promise.reject(new Error('the delaying link has ended')));
        failed.catch(() => {});
        await Promise.race([once(this.#delay.stdout, 'data'), failed]);
    }

    /** A program that does what another one does, at the browser's end. @param {string} folder for it @returns {string} its path */
    wrap(program, folder) {
        const path = join(folder, 'at-the-other-end');
        writeFileSync(path, `#!/bin/sh\nexec ${enter(this.#holder.pid).join(' ')} ${program} "$@"\n`);
        chmodSync(path, 0o755);
        return path;
    }

    async stop() {
        for (const child of [this.#delay, this.#holder].filter(Boolean)) {
            const ended = child.exitCode === null ? once(child, 'exit') : null;
            child.stdin.end();
            await ended;
        }
    }
}
