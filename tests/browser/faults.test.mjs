// SPDX-License-Identifier: MIT
// A call goes on while what stands around it dies: another room's process, the registry, the bus, the gateway; and while
// strangers send rubbish to everything that listens.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { after, before, test } from 'node:test';
import { entered, joinAs, launch, lobby, mediaPort, sees } from './support/browser.mjs';
import { Suite, missing, until } from './support/suite.mjs';
import { Publisher } from './support/zmtp.mjs';

const AWAY_MS = 30000; // longer than the grace time of registry (20 s) and gateway, and than a client's requests wait
const PAUSE_MS = 200;
const ATTEMPTS = 3;
const STOPPED_MS = 2000; // no busy machine explains it
let suite, browser, ann, bob;

before(async () => {
    if (missing)
        return;
    suite = await Suite.start();
    browser = await launch();
    ann = await joinAs(browser, suite, 'Ann');
    bob = await joinAs(browser, suite, 'Bob');
    await sees(ann, [bob]);
    await sees(bob, [ann]);
    await ann.waitForTimeout(2000); // until the encoder has settled
});
after(async () => {
    await browser?.close();
    await suite?.stop();
});
const story = (name, run) => test(name, { skip: missing, timeout: 180000 }, async () => {
    try {
        await run();
    } catch (error) {
        console.error(suite.tail());
        throw error;
    }
});

const gap = (page, other) => page.evaluate((id) => probe.longestGap(id), other.participant);
const startOver = () => Promise.all([gap(ann, bob), gap(bob, ann)]);
const state = (page) => page.evaluate(async () => [parley.version, await parley.hash(), parley.participants.size].join(' '));

/** How long frames pause while nothing happens: a busy machine has pauses of its own. */
async function usualPause(ms = 4000) {
    await startOver();
    await ann.waitForTimeout(ms);
    return Math.max(...(await startOver()));
}

/** Does something that must not disturb a call. A busy machine may spoil the figure twice, a fault of ours spoils it each time. */
async function noPauseWhile(disturb) {
    for (let attempt = 1; ; attempt++) {
        const most = Math.max(PAUSE_MS, 1.5 * (await usualPause()));
        await disturb(attempt);
        const gaps = await startOver();
        console.log(`longest pauses between frames: ${gaps.map(Math.round)} ms, at most ${Math.round(most)} ms are allowed`);
        if (gaps.every((longest) => longest <= most))
            return;
        assert.ok(attempt < ATTEMPTS, `a pause over ${Math.round(most)} ms between frames: ${gaps.map(Math.round)} ms`);
    }
}

story('two rooms are two processes; the death of one is nothing to the other, and its own people meet again', async () => {
    await noPauseWhile(async (attempt) => {
        const cleo = await joinAs(browser, suite, 'Cleo', { room: `other${attempt}` });
        const dan = await joinAs(browser, suite, 'Dan', { room: `other${attempt}` });
        await sees(cleo, [dan]);
        const [here, there] = [suite.roomProcess(await mediaPort(ann)), suite.roomProcess(await mediaPort(cleo))];
        assert.ok(here && there && here !== there, `${here} and ${there}`);
        await startOver();
        process.kill(there, 'SIGKILL');
        const before = await cleo.evaluate((id) => probe.frames(id), dan.participant);
        await cleo.waitForFunction(([id, frames]) => probe.frames(id) > frames + 10, [dan.participant, before], { timeout: 25000 });
        assert.deepEqual(await cleo.evaluate(() => [...parley.participants.keys()]), [dan.participant], 'the same people, in a new process');
        await cleo.context().close();
        await dan.context().close();
    });
});

for (const name of ['registry', 'bus', 'gateway'])
    story(`the call outlives ${AWAY_MS / 1000} s without the ${name}, nobody leaves, and joins work again`, async () => {
        for (const page of [ann, bob])
            await page.evaluate(() => {
                window.told = [];
                parley.onParticipantLeft(({ id }) => told.push(id));
            });
        const placement = await mediaPort(ann);
        const late = await lobby(browser, suite, 'Eve');
        await startOver();
        await suite.kill(name);
        await ann.waitForTimeout(AWAY_MS);
        const gaps = await startOver();
        suite.run(name);
        await suite.ready();
        assert.ok(gaps.every((ms) => ms < STOPPED_MS), `media stopped: ${gaps.map(Math.round)} ms`);
        const returned = Date.now();
        await late.click('[data-action=join]');
        await entered(late);
        assert.ok(Date.now() - returned < 2000, `the join took ${Date.now() - returned} ms`);
        await sees(late, [ann, bob]);
        await until(async () => {
            const states = await Promise.all([ann, bob, late].map(state));
            return new Set(states).size === 1;
        }, 'every observer holds the same version and state', 15000);
        assert.deepEqual(await Promise.all([ann, bob].map((page) => page.evaluate(() => told))), [[], []]);
        assert.equal(await mediaPort(ann), placement);
        assert.deepEqual(await Promise.all([ann, bob].map((page) => page.evaluate(() => probe.offers))), [1, 1]);
        await late.click('[data-action=leave]');
        await ann.waitForFunction((id) => !parley.participants.has(id), late.participant);
        await late.context().close();
    });

const RUBBISH = 10000;
const WORDS = ['', '{', 'null', '[]', '7', '"x"', '{"id":1}', '{"id":1,"type":"create"}', '{"id":{},"type":"create","from":"a","to":"b"}', '['.repeat(500),
    '{"id":1,"type":"create","from":"hyperty://localhost/x","to":"hyperty://localhost/conference","body":{"value":{"url":7}}}',
    '{"id":1,"type":"execute","from":"hyperty://localhost/x","to":"hyperty://localhost/conference","body":{"method":"leaveRoom","params":[{}]}}',
    '{"id":1,"type":"update","from":"comm://localhost/x","to":"comm://localhost/x/changes","body":{"version":-1}}', '\u0000\ud7ff{}'];

async function shoutAtTheGateway() {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${suite.origin}/healthz`);
    const answered = await page.evaluate(async ([words, count]) => {
        let answers = 0;
        for (let sent = 0; sent < count;) {
            const socket = new WebSocket(`ws://${location.host}/ws`);
            const closed = new Promise((done) => (socket.onclose = done));
            socket.onmessage = () => answers++;
            await new Promise((done) => (socket.onopen = socket.onerror = done));
            for (let i = 0; i < 500 && socket.readyState === 1; i++, sent++)
                socket.send(words[sent % words.length]);
            await Promise.race([closed, new Promise((done) => setTimeout(done, 200))]);
            socket.close();
        }
        return answers;
    }, [WORDS, RUBBISH]);
    await page.context().close();
    return answered;
}

async function shoutAtTheBus() {
    const publisher = await Publisher.connect(suite.environment.PARLEY_BUS_PUBLISH);
    const topics = ['hyperty://localhost/conference ', 'hyperty://localhost/sessions ', 'bus://events ', 'x', ''];
    for (let i = 0; i < RUBBISH; i++)
        await publisher.send([Buffer.from(topics[i % topics.length]), randomBytes(i % 300), ...(i % 7 === 0 ? [randomBytes(3)] : [])]);
    publisher.close();
}

async function shoutAtTheRoom() {
    const port = await mediaPort(ann);
    const socket = createSocket('udp4');
    const heads = [[0, 1], [0x16, 0xfe, 0xff], [0x80, 111], [0x80, 200], [0x90, 96], [0x17, 0xfe, 0xfd]];
    for (let i = 0; i < RUBBISH; i++) {
        const packet = randomBytes(20 + (i % 1200));
        packet.set(heads[i % heads.length]);
        await new Promise((done) => socket.send(packet, port, '127.0.0.1', done));
        if (i % 100 === 0)
            await new Promise(setImmediate);
    }
    socket.close();
}

story('rubbish to the gateway, the bus and the room is nothing to a call', async () => {
    const pids = ['bus', 'registry', 'media-worker', 'gateway'].map((name) => suite.pid(name));
    await noPauseWhile(async () => {
        assert.ok((await shoutAtTheGateway()) > 0, 'the gateway answers with reasons');
        await shoutAtTheBus();
        await shoutAtTheRoom();
    });
    for (const pid of pids)
        process.kill(pid, 0); // lives
    const late = await joinAs(browser, suite, 'Dan');
    await sees(late, [ann, bob]);
    await late.context().close();
});
