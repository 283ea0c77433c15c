// SPDX-License-Identifier: MIT
// How long a newcomer waits for the first picture of somebody who is sending already, in Chromium: from the call to joinRoom() to the
// first remote frame, in Parley and in a Janus VideoRoom, by turns in the same browser over the same link. Prints lines
// `name value unit`: medians. `_rtt50`: a link that delays 25 ms each way, signalling and media alike. `_cold`: from the opening of
// the WebSocket on; else the session is open before (Janus: and both its handles attached).
//
// usage: first_frame.mjs [RUNS]   default 11 of each; PARLEY_BENCH_TRACE=1 tells of every run on stderr
import { launch } from '../browser/support/browser.mjs';
import { Suite, missing, until } from '../browser/support/suite.mjs';
import { Janus, withoutJanus } from './support/janus.mjs';
import { Link, SERVER, runAlone, unlinkable } from './support/link.mjs';
import { servePages } from './support/pages.mjs';

const RUNS = Number(process.argv[2] ?? 11);
const SETTLE_MS = 300; // of a newcomer's page: two pages have just ended
const ROOM = { parley: 'bench', janus: 4321 };
const trace = process.env.PARLEY_BENCH_TRACE ? console.error : () => {};

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Everything at both ends of one link. */
class Place {
    static async make(delayMs) {
        const place = new Place();
        try {
            place.link = await Link.start(delayMs);
            place.pages = await servePages();
            place.origin = `http://${SERVER}:${place.pages.address().port}`;
            place.suite = await Suite.start({ PARLEY_GATEWAY_LISTEN: '0.0.0.0', PARLEY_MEDIA_LISTEN: SERVER, PARLEY_GATEWAY_ORIGINS: place.origin });
            place.urls = { parley: `ws://${SERVER}:${place.suite.port}/ws` };
            if (!withoutJanus) {
                place.janus = await Janus.start();
                place.urls.janus = place.janus.url(SERVER);
            }
            place.browser = await launch([`--unsafely-treat-insecure-origin-as-secure=${place.origin}`],
                place.link.wrap('/usr/bin/chromium', place.suite.folder));
        } catch (error) {
            await place.end();
            throw error;
        }
        return place;
    }

    async open(system) {
        const context = await this.browser.newContext({ viewport: { width: 640, height: 480 }, permissions: ['camera', 'microphone'] });
        const page = await context.newPage();
        page.on('pageerror', (error) => console.error(`${system}: ${error}`));
        await page.goto(`${this.origin}/${system}`);
        await page.waitForFunction(() => window.person);
        return page;
    }

    async end() {
        await this.browser?.close();
        await this.suite?.stop();
        await this.janus?.stop();
        this.pages?.close();
        await this.link?.stop();
    }
}

async function joinOnce(place, system, connected) {
    const page = await place.open(system);
    await page.waitForTimeout(SETTLE_MS);
    const marks = await page.evaluate(([...args]) => person.join(...args), [place.urls[system], ROOM[system], connected]);
    await page.context().close();
    trace(system, connected ? 'connected' : 'cold', Object.entries(marks).map(([what, ms]) => `${what} ${ms.toFixed(0)}`).join(', '));
    return marks.frame;
}

/** The other systems' cameras rest, so that one encoder at a time shares the machine with the newcomer. */
async function letSend(senders, system) {
    for (const [name, page] of Object.entries(senders))
        await page.evaluate((on) => person.draw(on), name === system);
}

async function measure(place, runs) {
    const senders = {};
    const times = {};
    for (const system of Object.keys(place.urls)) {
        senders[system] = await place.open(system);
        await senders[system].evaluate(([...args]) => void person.send(...args), [place.urls[system], ROOM[system]]);
    }
    for (let i = -1; i < runs; i++) // the first is not counted
        for (const system of Object.keys(place.urls)) {
            await letSend(senders, system);
            for (const state of ['', '_cold']) {
                const ms = await joinOnce(place, system, state === '');
                if (i >= 0)
                    (times[`${system === 'parley' ? '' : `${system}_`}join_first_frame%${state}`] ??= []).push(ms);
            }
        }
    return times;
}

async function measureOver(delayMs, suffix) {
    const place = await Place.make(delayMs);
    try {
        const times = await measure(place, RUNS);
        for (const [name, values] of Object.entries(times))
            console.log(`${name.replace('%', suffix)}_ms ${median(values).toFixed(0)} ms`);
    } catch (error) {
        console.error(place.suite.tail());
        throw error;
    } finally {
        await place.end();
    }
}

async function main() {
    const reason = missing || unlinkable;
    if (reason) {
        console.error(`first_frame: skipped: ${reason}`);
        return 0;
    }
    const status = await runAlone();
    if (status !== null)
        return status;
    if (withoutJanus)
        console.error(`first_frame: without Janus: ${withoutJanus}`);
    await measureOver(0, '');
    await measureOver(25, '_rtt50');
    return 0;
}

process.exit(await main());
