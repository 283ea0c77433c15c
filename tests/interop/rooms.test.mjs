// SPDX-License-Identifier: MIT
// Peers that we did not write, in rooms with Chromium and with each other: webrtcbin, aiortc and Firefox, with the offers that
// their libraries make. Each must decode the others' pictures and voices, and these must be the right ones: everybody sends a
// colour and a tone of their own (Firefox a changing colour, which it makes itself).
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { SCREENS, launch, screenshot } from '../browser/support/browser.mjs';
import { Suite, missing, until } from '../browser/support/suite.mjs';
import { ADDRESS, chromiumPeer, firefoxPeer, firefoxScreenshot, launchFirefox, lonely, processPeer } from './support/peers.mjs';

const FRAMES = 50;
const WITHIN_MS = 60000;
const skip = missing || lonely;
let suite, chromium, firefox;
let rooms = 0;
let here = []; // everybody who is in a room

before(async () => {
    if (skip)
        return;
    mkdirSync(SCREENS, { recursive: true });
    suite = await Suite.start({ PARLEY_MEDIA_LISTEN: ADDRESS });
    chromium = await launch();
    firefox = await launchFirefox('Dan');
});
after(async () => {
    await Promise.all([chromium?.close(), firefox?.close()]);
    await suite?.stop();
});
afterEach(async () => {
    await Promise.all(here.splice(0).map((peer) => (peer.page ? peer.page.close() : peer.child.kill('SIGKILL'))));
});

const story = (name, run) => test(name, { skip, timeout: 120000 }, async () => {
    try {
        await run(`room-${++rooms}`);
    } catch (error) {
        console.error(suite.tail());
        throw error;
    }
});

const enter = {
    Chromium: (room, person = 'Ann') => chromiumPeer(chromium, suite, person, room),
    webrtcbin: (room, slots) => processPeer('webrtcbin', suite, 'Bob', room, slots),
    aiortc: (room, slots) => processPeer('aiortc', suite, 'Cleo', room, slots),
    Firefox: (room) => firefoxPeer(firefox, suite, 'Dan', room),
};

async function inRoom(joining) {
    const peer = await joining;
    here.push(peer);
    return peer;
}

const isSeen = (from, { frames, colour }) => frames >= FRAMES && (from.kind === 'Firefox' ? colour !== 'none' : colour === from.person);

/** What `to` has not got of `from`, in words; none when all is well. Who watches somebody has one slot, and sees nobody else. */
async function lacks(to, from) {
    const [got] = await to.decodes([from.participant]);
    const sees = isSeen(from, got) || (to.watched && to.watched !== from);
    return sees && got.tone === from.person ? [] : [`${to.kind} of ${from.kind}: ${JSON.stringify(got)}`];
}

/** Everybody decodes enough of everybody else. */
async function eachDecodesTheOthers(peers) {
    let missed = [];
    await until(async () => {
        missed = [];
        for (const to of peers)
            for (const from of peers.filter((other) => other !== to))
                missed.push(...await lacks(to, from));
        return missed.length === 0;
    }, 'everybody decodes everybody', WITHIN_MS).catch((error) => {
        throw missed.length > 0 ? new Error(missed.join('\n')) : error;
    });
}

/** The others are told, and a process ends as it should. */
async function leaves(peer, page) {
    assert.ok([0, undefined].includes(await peer.leave()));
    here.splice(here.indexOf(peer), 1);
    await until(() => page.evaluate((id) => !window.parley.participants.has(id), peer.participant), `${peer.kind} is gone`);
    await peer.page?.close();
}

for (const kind of ['webrtcbin', 'aiortc', 'Firefox'])
    story(`Chromium and ${kind} see and hear each other`, async (room) => {
        const ann = await inRoom(enter.Chromium(room));
        const other = await inRoom(enter[kind](room));
        await eachDecodesTheOthers([ann, other]);
        await leaves(other, ann.page);
    });

story('webrtcbin and aiortc see and hear each other', async (room) => {
    await eachDecodesTheOthers([await inRoom(enter.webrtcbin(room)), await inRoom(enter.aiortc(room))]);
});

for (const kind of ['webrtcbin', 'aiortc'])
    story(`${kind} chooses whom its one slot shows`, async (room) => {
        const ann = await inRoom(enter.Chromium(room));
        const eve = await inRoom(enter.Chromium(room, 'Eve'));
        const other = await inRoom(enter[kind](room));
        for (const wanted of [eve, ann]) {
            other.watch(wanted);
            const [before] = await other.decodes([wanted.participant]);
            await until(async () => {
                const [now] = await other.decodes([wanted.participant]);
                return now.frames >= before.frames + FRAMES && now.colour === wanted.person;
            }, `${kind} sees ${wanted.person}`, WITHIN_MS);
        }
    });

story('Chromium, webrtcbin, aiortc and Firefox see and hear each other in one room', async (room) => {
    const ann = await inRoom(enter.Chromium(room));
    const [bob, cleo, dan] = await Promise.all([enter.webrtcbin(room, { pictures: 3, voices: 3 }), enter.aiortc(room, { voices: 3 }),
        enter.Firefox(room)].map(inRoom));
    cleo.watch(ann); // aiortc decodes in Python: three pictures would be too much for a busy machine
    await eachDecodesTheOthers([ann, bob, cleo, dan]);
    await screenshot(ann.page, 'interop-chromium');
    await firefoxScreenshot(dan, 'interop-firefox');
    assert.deepEqual([ann.page.problems, dan.page.problems], [[], []]);
});
