// SPDX-License-Identifier: MIT
// The operator's story: the file as it is, three people meet; more workers, and rooms spread; a worker's container dies, and its
// rooms are back on the others; down, and nothing is left.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { joinAs, launch, leave, look, mediaPort, sees } from '../browser/support/browser.mjs';
import { measured, roomProcess, until } from '../browser/support/suite.mjs';
import { Stack } from './stack.mjs';

const BACK_MS = 3000;
const stack = new Stack();
let browser;
const pages = [];

before(async () => {
    browser = await launch();
});
after(() => browser?.close());
const story = (name, run) => test(name, { timeout: 180000 }, async () => {
    try {
        await run();
    } catch (error) {
        console.error(await stack.logs());
        throw error;
    }
});
const enter = async (person, options) => {
    const page = await joinAs(browser, stack, person, options);
    pages.push(page);
    return page;
};
const leaveAll = () => leave(pages.splice(0));
const containerOf = async (page) => (await stack.containerOf(roomProcess(await mediaPort(page)))).id;

story('unedited, every service comes up healthy, without root, privileges or a writable file system', async () => {
    await stack.up();
    const containers = await stack.containers();
    assert.deepEqual(containers.map(({ service }) => service).sort(), ['bus', 'gateway', 'media-worker', 'registry']);
    for (const { service, user, host } of containers) {
        assert.equal(user, '10001:10001', service);
        assert.equal(host.ReadonlyRootfs, true, service);
        assert.deepEqual(host.CapDrop, ['ALL'], service);
        assert.equal(host.NetworkMode, 'host', service);
    }
});

story('three people meet', async () => {
    const all = [await enter('Ann'), await enter('Bob'), await enter('Cleo')];
    for (const page of all) {
        const others = all.filter((other) => other !== page);
        await sees(page, others);
        for (const other of others)
            await until(async () => {
                const { colour, tones } = await look(page, other.participant);
                return colour === other.person && String(tones) === other.person;
            }, `${page.person} sees and hears ${other.person}`, 15000);
    }
    await leaveAll();
});

story('a process that hangs is shown unhealthy, one that crashes is started again', async () => {
    const [{ pid }] = await stack.containers('registry');
    process.kill(pid, 'SIGSTOP');
    await until(async () => (await stack.containers('registry'))[0].health === 'unhealthy', 'the stopped registry is unhealthy', 60000);
    process.kill(pid, 'SIGKILL');
    await until(async () => {
        const [registry] = await stack.containers('registry');
        return registry.restarts === 1 && registry.health === 'healthy' && registry.pid !== pid;
    }, 'a new registry is healthy', 60000);
});

story('with --scale media-worker=3 six rooms spread two and two and two', async () => {
    await stack.up([], ['--scale', 'media-worker=3']);
    await until(async () => (await stack.loads()).length === 3, 'three workers are heard', 20000);
    for (let i = 0; i < 6; i++)
        await enter('Ann', { room: `room-${i}` });
    await until(async () => String(await stack.loads()) === '2,2,2', 'two rooms a worker', 5000);
    const homes = await Promise.all(pages.map(containerOf));
    assert.equal(new Set(homes).size, 3, 'three containers');
});

/** When a page has a new connection, and a frame of the other in it: milliseconds from now. Promised as window.back. */
const watchForReturn = ([page, other]) => page.evaluate((id) => {
    const before = parley.peerConnection;
    const start = performance.now();
    window.back = new Promise((done) => {
        let frames;
        const look = () => {
            if (parley.peerConnection !== before && frames === undefined)
                frames = probe.frames(id);
            if (parley.peerConnection !== before && probe.frames(id) > frames)
                done(performance.now() - start);
            else
                setTimeout(look, 10);
        };
        look();
    });
}, other.participant);

const seconds = new Map(); // page → the second person in its room

/** Kills the worker of the first room; how long the people in its rooms did not see each other. */
async function killWorker(anns) {
    const homes = await Promise.all(anns.map(containerOf));
    const hit = anns.filter((_, i) => homes[i] === homes[0]);
    for (const ann of hit.filter((page) => !seconds.has(page)))
        seconds.set(ann, await enter('Bob', { room: await ann.evaluate(() => parley.id) }));
    const watched = hit.flatMap((ann) => [[ann, seconds.get(ann)], [seconds.get(ann), ann]]);
    for (const [page, other] of watched)
        await sees(page, [other]);
    await Promise.all(watched.map(watchForReturn));
    await stack.docker('kill', homes[0]);
    const times = await Promise.all(watched.map(([page]) => page.evaluate(() => window.back)));
    for (const page of hit)
        assert.notEqual(await containerOf(page), homes[0], 'on another worker');
    await until(async () => String(await stack.loads()) === '3,3', 'three rooms on each of the others', 20000);
    await stack.docker('start', homes[0]);
    await until(async () => (await stack.loads()).length === 3, 'the worker is back', 20000);
    return times.map(Math.round);
}

story('the rooms of a worker that is killed are back on the others within 3 s', async () => {
    const anns = [...pages];
    const inTime = (times) => Math.max(...times) <= BACK_MS;
    const times = await measured(() => killWorker(anns), inTime);
    console.log(`seen again after ${times} ms`);
    assert.ok(inTime(times), `seen again after ${times} ms`);
});

story('down ends everything in time and leaves the operator\'s volumes, nothing else', async () => {
    await leaveAll();
    const start = Date.now();
    await stack.compose('down');
    assert.ok(Date.now() - start < 20000, `nobody is in a room, yet down took ${Date.now() - start} ms`);
    assert.deepEqual(await stack.containers(), []);
    const networks = (await stack.docker('network', 'ls', '--format', '{{.Name}}')).split('\n').sort();
    assert.deepEqual(networks, ['bridge', 'host', 'none']);
    const left = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map((pid) => {
        try {
            return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
        } catch { // it has ended
            return '';
        }
    }).filter((name) => name.startsWith('parley'));
    assert.deepEqual(left, []);
    const volumes = (await stack.docker('volume', 'ls', '--format', '{{.Name}}')).split('\n').sort();
    assert.deepEqual(volumes, ['deploy_metrics', 'deploy_secrets', 'deploy_store']);
    await stack.compose('down', '--volumes');
    assert.equal(await stack.docker('volume', 'ls', '-q'), '');
});
