// SPDX-License-Identifier: MIT
// A room's process is killed, twenty times: its people meet again by themselves, as the same participants in the same tiles,
// and another room's people never notice.
//
// All kills hit one room, many within a minute: just what quarantine is for. It has tests of its own (integration/failover) and
// is switched off here, because twenty rooms with two browsers each would measure the machine and not the way back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { joinAs, launch, look, mediaPort, sees } from './support/browser.mjs';
import { Suite, missing, until } from './support/suite.mjs';

const KILLS = 20;
const BACK_MS = 3000; // p95
const PAUSE_MS = 200; // between two frames in the other room
const BREATH_MS = 1000; // between two kills: pictures have settled
let suite, browser, ann, bob, cleo, dan;

before(async () => {
    if (missing)
        return;
    suite = await Suite.start({ PARLEY_REGISTRY_QUARANTINE_S: '0' });
    browser = await launch();
    [ann, bob] = [await joinAs(browser, suite, 'Ann'), await joinAs(browser, suite, 'Bob')];
    [cleo, dan] = [await joinAs(browser, suite, 'Cleo', { room: 'other' }), await joinAs(browser, suite, 'Dan', { room: 'other' })];
    for (const [page, other] of [[ann, bob], [bob, ann], [cleo, dan], [dan, cleo]])
        await sees(page, [other]);
    await ann.waitForTimeout(2000); // until the encoders have settled
});
after(async () => {
    await browser?.close();
    await suite?.stop();
});

/** Marks what must outlive everything: the tile, its video element and the participant. */
const mark = (page, other) => page.evaluate((id) => {
    const tile = document.querySelector(`[data-participant="${id}"]`);
    window.kept = { tile, video: tile.querySelector('video'), participant: parley.participants.get(id), self: parley.self.id };
    window.events = [];
    parley.onParticipantLeft(({ id: left }, reason) => events.push(`${left} ${reason}`));
    parley.onNewParticipant(({ id: came }) => events.push(`${came} came`));
}, other.participant);

const isKept = (page, other) => page.evaluate((id) => {
    const tile = document.querySelector(`[data-participant="${id}"]`);
    return { tile: tile === kept.tile, video: tile?.querySelector('video') === kept.video, self: parley.self.id === kept.self,
        participant: parley.participants.get(id) === kept.participant, people: [...parley.participants.keys()], events };
}, other.participant);

/** When the page sees and hears the other by a new peer connection; milliseconds after `since`. */
const meetsAgain = (page, other, since) => page.evaluate(async ([id, from]) => {
    const hears = async (connection) => [...(await connection.getStats()).values()]
        .some((entry) => entry.type === 'inbound-rtp' && entry.kind === 'audio' && entry.totalAudioEnergy > 0);
    let connection = null, frames = 0;
    for (const end = from + 20000; Date.now() < end; await new Promise((later) => setTimeout(later, 10))) {
        if (![connection, dead].includes(parley.peerConnection)) {
            connection = parley.peerConnection;
            frames = probe.frames(id);
        }
        if (connection && probe.frames(id) > frames && await hears(connection))
            return Date.now() - from;
    }
    throw new Error('not within 20 s');
}, [other.participant, since]);

const gap = (page, other) => page.evaluate((id) => probe.longestGap(id), other.participant);
const startOver = () => Promise.all([gap(cleo, dan), gap(dan, cleo)]);
const percentile = (values, share) => [...values].sort((a, b) => a - b)[Math.ceil(values.length * share) - 1];

async function kill() {
    const pid = suite.roomProcess(await mediaPort(ann));
    assert.ok(pid);
    await Promise.all([ann, bob].map((page) => page.evaluate(() => void (window.dead = parley.peerConnection))));
    const since = Date.now();
    process.kill(pid, 'SIGKILL');
    return Math.max(...await Promise.all([meetsAgain(ann, bob, since), meetsAgain(bob, ann, since)]));
}

test(`a room's process is killed ${KILLS} times, and its people meet again`, { skip: missing, timeout: 150000 }, async () => {
    const back = [], gaps = [];
    await Promise.all([mark(ann, bob), mark(bob, ann)]);
    await startOver();
    await ann.waitForTimeout(4000);
    const usual = Math.max(...await startOver()); // a busy machine has pauses of its own
    try {
        for (let i = 0; i < KILLS; i++) {
            back.push(await kill());
            await ann.waitForTimeout(BREATH_MS);
            gaps.push(Math.max(...await startOver()));
        }
    } catch (error) {
        console.error(suite.tail());
        throw error;
    }
    console.log(`back after a kill: p50 ${percentile(back, 0.5)} ms, p95 ${percentile(back, 0.95)} ms, longest ${Math.max(...back)} ms`);
    console.log(`longest pause in the other room: ${Math.round(Math.max(...gaps))} ms, otherwise ${Math.round(usual)} ms`);
    for (const [page, other] of [[ann, bob], [bob, ann]]) {
        assert.deepEqual(await isKept(page, other),
            { tile: true, video: true, self: true, participant: true, people: [other.participant], events: [] });
        const seen = await until(async () => {
            const now = await look(page, other.participant);
            return now.colour === other.person && now.tones.length > 0 && now;
        }, `${page.person} sees and hears ${other.person}`);
        assert.deepEqual(seen.tones, [other.person]);
    }
    assert.ok(percentile(back, 0.95) <= BACK_MS, `p95 ${percentile(back, 0.95)} ms: ${back}`);
    assert.ok(Math.max(...gaps) <= Math.max(PAUSE_MS, 1.5 * usual), `pauses in the other room: ${gaps.map(Math.round)} ms, otherwise ${Math.round(usual)} ms`);
});
