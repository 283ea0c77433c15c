// SPDX-License-Identifier: MIT
// Chromium with people in it: pages that send a colour and a tone of their own, and what they can tell of what they see and
// hear. What runs inside a page is in page_probe.js.
import { fileURLToPath } from 'node:url';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

export const SCREENS = fileURLToPath(new URL('../../../build/screens', import.meta.url));
export const PROBE = readFileSync(new URL('./page_probe.js', import.meta.url), 'utf8');
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--autoplay-policy=no-user-gesture-required'];

/** Colours and tones that are told apart after coding: hue in degrees, hertz. */
export const PEOPLE = {
    Ann: { colour: [220, 30, 30], tone: 500 },
    Bob: { colour: [30, 200, 30], tone: 900 },
    Cleo: { colour: [40, 60, 230], tone: 1400 },
    Dan: { colour: [220, 210, 30], tone: 2100 },
    Eve: { colour: [210, 40, 210], tone: 2900 },
};

export function launch(flags = [], executablePath = '/usr/bin/chromium') {
    return chromium.launch({ executablePath, args: [...FLAGS, ...flags] });
}

/** A browser in a process that a test may kill. */
export async function launchKillable() {
    const server = await chromium.launchServer({ executablePath: '/usr/bin/chromium', args: FLAGS });
    return { server, browser: await chromium.connect(server.wsEndpoint()) };
}

/**
 * A page in a context of its own (its own sessionStorage and devices).
 * @param {import('playwright-core').Browser} browser
 * @param {object} options
 */
export async function newPage(browser, { viewport = { width: 640, height: 480 }, person, devices = 'own', permissions = ['camera', 'microphone'] } = {}) {
    const context = await browser.newContext({ viewport, permissions });
    const page = await context.newPage();
    page.problems = [];
    page.on('pageerror', (error) => page.problems.push(String(error)));
    page.on('console', (message) => message.type() === 'error' && page.problems.push(message.text()));
    await page.addInitScript({ content: `globalThis.probeOptions = ${JSON.stringify({ devices, ...PEOPLE[person] })};\n${PROBE}` });
    return page;
}

/** Script of a page whose browser may use relays only. */
export function relaysOnly() {
    globalThis.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(configuration) {
            super({ ...configuration, iceTransportPolicy: 'relay' });
        }
    };
}

/** Opens the page as a person who joins at once. */
export async function joinAs(browser, suite, person, { query = '', ...options } = {}) {
    return entered(await lobby(browser, suite, person, { query: `${query}&join=1`, ...options }));
}

/** Opens the page as a person who has not pressed Join yet. */
export async function lobby(browser, suite, person, { room = 'demo', query = '', ...options } = {}) {
    const page = await newPage(browser, { person, ...options });
    await page.goto(`${suite.origin}/?room=${room}&name=${person}${query}`);
    page.person = person;
    return page;
}

/** Waits until the page has joined. */
export async function entered(page) {
    await page.waitForFunction(() => window.parley, undefined, { timeout: 20000 });
    page.participant = await page.evaluate(() => window.parley.self.id);
    return page;
}

/** These pages leave their rooms by the button, and are closed. */
export async function leave(pages) {
    await Promise.all(pages.map(async (page) => {
        await page.click('[data-action=leave]');
        await page.waitForSelector('[data-action=join]');
        await page.context().close();
    }));
}

/** The UDP port of the page's room process. */
export const mediaPort = (page) =>
    page.evaluate(() => Number(/a=candidate:\S+ 1 udp \d+ \S+ (\d+)/i.exec(parley.peerConnection.remoteDescription.sdp)[1]));

export async function screenshot(page, name, viewport) {
    mkdirSync(SCREENS, { recursive: true });
    if (viewport) {
        await page.setViewportSize(viewport);
        await page.waitForTimeout(400); // for the layout and a new frame
    }
    await page.screenshot({ path: join(SCREENS, `${name}.png`) });
}

/** Waits until the page shows a tile of each of these participants, with a moving picture. */
export async function sees(page, participants, timeout = 15000) {
    await page.waitForFunction((ids) => ids.every((id) => probe.frames(id) > 0), participants.map((other) => other.participant), { timeout });
}

/** Which person's colour a tile shows ('none', or 'other' if nobody's), and whose tones are heard in it. */
export async function look(page, participant) {
    const [colour, spectrum] = await page.evaluate(async (id) => [probe.colour(id), await probe.spectrum(id)], participant);
    return { colour: nameColour(colour), tones: Object.keys(PEOPLE).filter((name) => spectrum[PEOPLE[name].tone] > 0) };
}

/** @param {number[]|null} colour @returns {string} */
export function nameColour(colour) {
    if (!colour)
        return 'none';
    const distance = (name) => Math.hypot(...PEOPLE[name].colour.map((c, i) => c - colour[i]));
    const best = Object.keys(PEOPLE).sort((a, b) => distance(a) - distance(b))[0];
    return distance(best) < 90 ? best : 'other';
}
