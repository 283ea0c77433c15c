// SPDX-License-Identifier: MIT
// Four kinds of people behind one face: participant, decodes(ids), leave(); the Python ones also watch(peer). A page of Chromium or Firefox counts in
// itself (../../browser/support/page_probe.js); a Python peer tells what it has decoded, twice a second.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import puppeteer from 'puppeteer-core';
import { PEOPLE, PROBE, SCREENS, joinAs, look, nameColour } from '../../browser/support/browser.mjs';
import { until } from '../../browser/support/suite.mjs';

const FOLDER = fileURLToPath(new URL('..', import.meta.url));
export const ADDRESS = '10.20.30.1'; // of namespace.sh
const JOIN_MS = 60000;
const TONE_HZ = 30; // tones this near are the same

/** Why there can be no call here; false if there can. For the `skip` of a test. */
export const lonely = !Object.values(networkInterfaces()).flat().some(({ address }) => address === ADDRESS) &&
    'not in a network of its own (make test-interop makes one, by tests/interop/namespace.sh)';

const nameTone = (hertz) => Object.keys(PEOPLE).find((name) => Math.abs(PEOPLE[name].tone - hertz) < TONE_HZ) ?? (hertz ? 'other' : 'none');

/** A page that is in a room. */
class PagePeer {
    constructor(kind, person, page) {
        Object.assign(this, { kind, person, page });
    }

    /** @returns {Promise<{frames: number, colour: string, tone: string}[]>} of each of these participants */
    async decodes(ids) {
        const found = [];
        for (const id of ids) {
            const frames = await this.page.evaluate((other) => probe.frames(other), id);
            const { colour, tones } = await look(this.page, id);
            found.push({ frames, colour, tone: String(tones) || 'none' });
        }
        return found;
    }

    leave() {
        return this.page.click('[data-action=leave]');
    }
}

/** Chromium with a colour and a tone of its own. */
export async function chromiumPeer(browser, suite, person, room) {
    const page = await joinAs(browser, suite, person, { room, viewport: { width: 1280, height: 800 } });
    return Object.assign(new PagePeer('Chromium', person, page), { participant: page.participant });
}

/** Firefox with its own fake devices: colours that change, and this person's tone. */
export function launchFirefox(person) {
    return puppeteer.launch({
        browser: 'firefox', executablePath: '/usr/bin/firefox-esr', headless: true,
        extraPrefsFirefox: {
            'media.navigator.streams.fake': true,
            'media.navigator.audio.fake_frequency': PEOPLE[person].tone,
            'media.navigator.permission.disabled': true,
            'media.autoplay.default': 0,
            'media.cubeb.force_mock_context': true, // a sound card that need not be there, without which nothing plays
            'media.cubeb.sandbox': false,
        },
    });
}

/** The ordinary page, in Firefox. */
export async function firefoxPeer(browser, suite, person, room) {
    const page = await browser.newPage();
    await page.setViewport({ width: 1280, height: 800 });
    page.problems = [];
    page.on('pageerror', (error) => page.problems.push(String(error)));
    page.on('console', (message) => message.type() === 'error' && page.problems.push(message.text()));
    await page.evaluateOnNewDocument(`globalThis.probeOptions = { devices: 'as they are' };\n${PROBE}`);
    await page.goto(`${suite.origin}/?room=${room}&name=${person}&join=1`);
    await until(() => page.evaluate(() => Boolean(window.parley)), `Firefox has joined ${room}`, JOIN_MS);
    const participant = await page.evaluate(() => window.parley.self.id);
    return Object.assign(new PagePeer('Firefox', person, page), { participant });
}

export const firefoxScreenshot = (peer, name) => peer.page.screenshot({ path: join(SCREENS, `${name}.png`) });

/** A client in Python: `webrtcbin` or `aiortc`. */
class ProcessPeer {
    decoded = {};

    constructor(kind, person, child) {
        Object.assign(this, { kind, person, child });
        this.exited = once(child, 'exit');
        createInterface(child.stdout).on('line', (line) => {
            const told = JSON.parse(line);
            this.participant = told.joined ?? this.participant;
            this.decoded = told.decoded ?? this.decoded;
        });
    }

    async decodes(ids) {
        return ids.map((id) => {
            const { frames = 0, colour = null, tone = 0 } = this.decoded[id] ?? {};
            return { frames, colour: nameColour(colour), tone: nameTone(tone) };
        });
    }

    /** Asks for this peer's picture in its one slot. */
    watch(peer) {
        this.watched = peer;
        this.child.stdin.write(`watch ${peer.participant}\n`);
    }

    /** @returns {Promise<number>} its exit code */
    async leave() {
        this.child.stdin.end('leave\n');
        return (await this.exited)[0];
    }
}

/** @param {'webrtcbin'|'aiortc'} kind @param {{pictures?: number, voices?: number}} slots that it has for others; one of each if absent */
export async function processPeer(kind, suite, person, room, slots) {
    const { colour, tone } = PEOPLE[person];
    const options = { url: `ws://localhost:${suite.port}/ws`, room, name: person, colour: Buffer.from(colour).toString('hex'), tone, ...slots };
    const words = Object.entries(options).flatMap(([key, value]) => [`--${key}`, String(value)]);
    const program = join(FOLDER, `${kind}_peer.py`);
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...words],
        { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' } });
    const peer = new ProcessPeer(kind, person, child);
    await until(() => {
        if (child.exitCode !== null)
            throw new Error(`the ${kind} peer has ended with ${child.exitCode} before it joined`);
        return peer.participant;
    }, `the ${kind} peer has joined ${room}`, JOIN_MS);
    return peer;
}
