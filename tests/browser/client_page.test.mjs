// SPDX-License-Identifier: MIT
// The page and the library in a real browser, against a gateway and a room that are the test: what does not need the suite.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { launch, newPage, relaysOnly, screenshot } from './support/browser.mjs';
import { FakeGateway } from './support/fake_gateway.mjs';
import { until } from './support/suite.mjs';

let browser;
const ROOM = await readFile(new URL('./support/fake_room.js', import.meta.url), 'utf8');
const COLOURS = ['#c23b3b', '#2f9e44', '#3b5bdb', '#e8b923', '#ae3ec9', '#0c8599'];
const NAMES = ['Bob Marsh', 'Cleo', 'Dan Okafor', 'Eve', 'Farida Nasser', 'Gus'];

before(async () => {
    browser = await launch();
});
after(() => browser.close());

/** A page in a room with these others, each in a picture slot. */
async function joined(others = 1, { slots = others, ...options } = {}) {
    const gateway = new FakeGateway(options.origin, options.domain);
    gateway.room = await (await browser.newContext()).newPage();
    await gateway.room.addScriptTag({ content: ROOM });
    NAMES.slice(0, others).forEach((name, i) => gateway.enter(`p${i}`, name));
    const page = await newPage(browser, options);
    await gateway.serve(page);
    await page.goto(`${gateway.origin}/?room=demo&name=Ann&join=1&slots=${slots}`);
    await page.waitForFunction(() => window.parley, undefined, { timeout: 10000 });
    for (let i = 0; i < Math.min(others, slots); i++) {
        await gateway.room.evaluate(([mid, colour]) => fakeRoom.paint(mid, colour), [String(6 + i), COLOURS[i]]);
        gateway.fill(String(6 + i), { participant: `p${i}`, source: 'video', number: i + 1, from: 0 });
    }
    return { page, gateway };
}

const joinsOf = (gateway) => gateway.heardOf('create').filter((message) => message.to.endsWith('/conference'));

const closeAll = async ({ page, gateway }) => {
    gateway.end();
    await page.context().close();
    await gateway.room?.context().close();
};

test('the lobby: preview, name, room, and buttons to press', async () => {
    const page = await newPage(browser, { devices: 'fake', viewport: { width: 1280, height: 800 } });
    const gateway = new FakeGateway();
    await gateway.serve(page);
    await page.goto(`${gateway.origin}/?room=demo&name=Ann`);
    await page.waitForFunction(() => document.querySelector('[data-self] video').videoWidth > 0);
    assert.equal(await page.evaluate(() => window.parley), null);
    for (const name of ['join', 'mute', 'camera'])
        assert.ok(await page.isVisible(`[data-action=${name}]`), name);
    assert.ok(!(await page.isVisible('[data-action=leave]')));
    await screenshot(page, 'lobby-1280x800');
    await screenshot(page, 'lobby-390x844', { width: 390, height: 844 });
    await page.fill('#room', 'no such room!');
    await page.click('[data-action=join]');
    assert.match(await page.textContent('[role=alert]'), /1 to 64 letters/);
    assert.deepEqual(page.problems, []);
    await page.context().close();
});

test('where no direct way is found, relays that the answer named are tried, in a connection that knew them from the start', async () => {
    const relays = [{ urls: ['turn:127.0.0.1:9?transport=udp'], username: '1:me', credential: 'x' }];
    const gateway = new FakeGateway();
    gateway.room = await (await browser.newContext()).newPage();
    await gateway.room.addScriptTag({ content: ROOM });
    gateway.relays = relays;
    const page = await newPage(browser);
    await page.addInitScript(relaysOnly);
    await gateway.serve(page);
    await page.goto(`${gateway.origin}/?room=demo&name=Ann&join=1`);
    const joins = () => gateway.heardOf('create').filter((message) => message.to.endsWith('/conference'));
    await until(() => joins().length === 2, 'a second join', 10000);
    assert.deepEqual(joins().map((join) => join.body.value.version), [1, 2]);
    const used = () => page.evaluate(() => parley.peerConnection.getConfiguration());
    const { iceServers, bundlePolicy } = await until(async () => (await used()).iceServers.length > 0 && used(), 'relays in use');
    assert.deepEqual(iceServers.map(({ urls, username, credential }) => ({ urls, username, credential })), relays);
    assert.equal(bundlePolicy, 'max-bundle');
    await closeAll({ page, gateway });
});

test('one join message with a small offer; a tile of each other with name and moving picture', async () => {
    const call = await joined(2, { slots: 9 });
    const { page, gateway } = call;
    await page.waitForFunction(() => probe.frames('p0') > 2 && probe.frames('p1') > 2, undefined, { timeout: 10000 });
    const [join] = joinsOf(gateway);
    assert.equal(join.body.roomId, 'demo');
    assert.equal(join.body.value.version, 1);
    const { sdp } = join.body.value.data.connectionDescription;
    assert.equal(sdp.match(/^m=/gm).length, 15);
    assert.ok(sdp.length < 20000, `the offer has ${sdp.length} bytes`);
    assert.ok(!/VP9|H264|AV1|PCMU|a=candidate/.test(sdp));
    for (const attribute of ['ice-ufrag', 'ice-pwd', 'fingerprint', 'setup'])
        assert.equal(sdp.split(`a=${attribute}:`).length, 2, `${attribute} is said once`);
    assert.ok(JSON.stringify(join).length < 11000, `the join has ${JSON.stringify(join).length} bytes`);
    assert.equal(await page.textContent('[data-participant=p0] .name'), 'Bob Marsh');
    assert.equal(await page.evaluate(() => probe.offers), 1);
    assert.ok(await page.isVisible('[data-participant=p1] video'));
    assert.deepEqual(page.problems, []);
    await closeAll(call);
});

test('the stage fills a screen, and a phone', async () => {
    const call = await joined(5, { viewport: { width: 1280, height: 800 }, devices: 'fake' });
    const { page, gateway } = call;
    gateway.enter('p5', 'Gus', [{ type: 'audio', direction: 'in' }, { type: 'video', direction: 'in' }]);
    gateway.publish('ctxt://localhost/room/demo', { value: { speakers: [{ participant: 'p1', level: -20 }] } });
    await page.waitForFunction(() => ['p0', 'p1', 'p2', 'p3', 'p4'].every((id) => probe.frames(id) > 2), undefined, { timeout: 15000 });
    await screenshot(page, 'stage-1280x800');
    const boxes = await page.$$eval('.tile', (tiles) => tiles.map((tile) => tile.getBoundingClientRect()).map(({ right, bottom }) => [right, bottom]));
    assert.ok(boxes.every(([right, bottom]) => right <= 1280 && bottom <= 800));
    await screenshot(page, 'stage-390x844', { width: 390, height: 844 });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390, `a phone would scroll sideways: ${width}`);
    assert.ok(await page.$eval('[data-participant=p5]', (tile) => tile.hasAttribute('data-muted')));
    assert.ok(await page.$eval('[data-participant=p1]', (tile) => tile.hasAttribute('data-speaking')));
    await closeAll(call);
});

test('who joins and leaves is told, with a name and a reason', async () => {
    const call = await joined(1);
    const { page, gateway } = call;
    await page.evaluate(() => {
        window.told = [];
        parley.onNewParticipant((participant) => told.push(['new', participant.id, participant.name]));
        parley.onParticipantLeft((participant, reason) => told.push(['left', participant.id, reason]));
    });
    gateway.enter('p9', 'Zoe');
    gateway.leave('p0', 'lost');
    await page.waitForSelector('[data-participant=p9]');
    await page.waitForSelector('[data-participant=p0]', { state: 'detached' });
    assert.deepEqual(await page.evaluate(() => told), [['new', 'p9', 'Zoe'], ['left', 'p0', 'lost']]);
    assert.match(await page.textContent('[aria-live=polite]'), /Zoe has joined/);
    await closeAll(call);
});

test('a slot that changes hands shows nobody until the first frame of the new one', async () => {
    const call = await joined(2, { slots: 1 });
    const { page, gateway } = call;
    await page.waitForFunction(() => probe.frames('p0') > 5, undefined, { timeout: 10000 });
    const newest = await page.evaluate(() => parley.peerConnection.getReceivers()[6].getSynchronizationSources()[0].rtpTimestamp);
    gateway.fill('6', { participant: 'p1', source: 'video', number: 2, from: (newest + 90000) >>> 0 }); // a second from now
    await page.waitForFunction(() => !parley.participants.get('p0').visible);
    assert.equal(await page.evaluate(() => parley.participants.get('p1').visible), false);
    assert.equal(await page.evaluate(() => probe.colour('p0')), null, 'the last frame does not stay in the old tile');
    await page.waitForFunction(() => parley.participants.get('p1').visible);
    const first = await page.evaluate(() => parley.peerConnection.getReceivers()[6].getSynchronizationSources()[0].rtpTimestamp);
    assert.ok(((first - newest) | 0) >= 90000);
    gateway.fill('6', {});
    await page.waitForFunction(() => !parley.participants.get('p1').visible);
    await closeAll(call);
});

test('a join travels behind the opening of its session, with addresses of the page\'s own', async () => {
    const call = await joined(1);
    const { gateway } = call;
    const types = gateway.heard.slice(0, 4).map((message) => `${message.type} ${message.to}`);
    assert.equal(types[0], 'open mn:/session');
    assert.ok(gateway.heardBeforeGreeting.some((message) => message.to.endsWith('/conference')), String(types));
    const [{ from, body }] = joinsOf(gateway);
    assert.match(from, /^hyperty:\/\/localhost\/[0-9a-f]{32}$/);
    assert.match(body.value.url, /^connection:\/\/localhost\/[0-9a-f]{32}$/);
    await closeAll(call);
});

test('a join under a domain that is not the suite\'s is made again under its own', async () => {
    const call = await joined(1, { domain: 'conf.example' });
    const [, { to, from, body }] = joinsOf(call.gateway);
    assert.equal(to, 'hyperty://conf.example/conference');
    assert.match(`${from} ${body.value.url}`, /^hyperty:\/\/conf\.example\/\S+ connection:\/\/conf\.example\/\S+$/);
    await closeAll(call);
});

test('a peer connection is made once a call, before the session is open', async () => {
    const call = await joined(1);
    assert.equal(await call.page.evaluate(() => probe.connections), 1);
    await closeAll(call);
});

test('a wish for a picture is one update of the own Connection, the newest wish last', async () => {
    const call = await joined(3);
    const { page, gateway } = call;
    await page.evaluate(() => ['p0', 'p1', 'p0'].forEach((id) => parley.watch(id, { size: 'large' })));
    const updates = await until(() => gateway.heardOf('update').length === 3 && gateway.heardOf('update'), 'three updates');
    assert.deepEqual(updates.map((message) => message.body.version), [2, 3, 4]);
    assert.deepEqual(Object.keys(updates[2].body.value), ['p1', 'p0']);
    assert.equal(updates[0].to, `${joinsOf(gateway)[0].body.value.url}/changes`);
    await closeAll(call);
});

test('mute and camera off are told to the room, and undone', async () => {
    const call = await joined(1);
    const { page, gateway } = call;
    const directions = () => gateway.heardOf('execute').filter((message) => message.body.method === 'setDirection').map((message) => message.body.params);
    await page.click('[data-action=mute]');
    await until(() => directions().some((params) => String(params) === 'demo,audio,in'), 'muted');
    assert.ok(await page.$eval('[data-self]', (tile) => tile.hasAttribute('data-muted')));
    await page.click('[data-action=camera]');
    await until(() => directions().some((params) => String(params) === 'demo,video,in'), 'camera off');
    assert.ok(await page.evaluate(() => parley.peerConnection.getSenders()[1].track === null));
    await page.click('[data-action=camera]');
    await page.waitForFunction(() => parley.peerConnection.getSenders()[1].track?.readyState === 'live');
    assert.equal(await page.evaluate(() => probe.offers), 1);
    await closeAll(call);
});

test('a lost WebSocket changes nothing in the call and comes back by itself', async () => {
    const call = await joined(1);
    const { page, gateway } = call;
    await page.waitForFunction(() => probe.frames('p0') > 5, undefined, { timeout: 10000 });
    gateway.socket.close({ code: 1011 });
    await page.waitForFunction(() => /Reconnecting/.test(document.querySelector('#status').textContent));
    gateway.enter('p7', 'Late'); // while we are away
    await page.waitForSelector('[data-participant=p7]', { timeout: 5000 });
    assert.equal(gateway.heardOf('re-open').length, 1);
    await page.waitForFunction(() => document.querySelector('#status').textContent === '');
    assert.ok((await page.evaluate(() => probe.longestGap('p0'))) < 500);
    assert.equal(await page.evaluate(() => probe.offers), 1);
    await closeAll(call);
});

test('a new placement gets a fresh connection for the same participant', async () => {
    const call = await joined(1);
    const { page, gateway } = call;
    await page.waitForFunction(() => probe.frames('p0') > 5, undefined, { timeout: 10000 });
    gateway.epoch = 2;
    gateway.answerVersion = 2 * 2 ** 32 + 1;
    gateway.change('placement', { epoch: 2 });
    await page.waitForFunction(() => probe.offers === 2);
    await gateway.room.waitForTimeout(300);
    await gateway.room.evaluate(() => fakeRoom.paint('6', '#2f9e44'));
    await page.waitForFunction((frames) => probe.frames('p0') > frames + 5, await page.evaluate(() => probe.frames('p0')), { timeout: 10000 });
    const joins = joinsOf(gateway);
    assert.deepEqual(joins.map((message) => message.body.value.version), [1, 2]);
    assert.equal(joins[0].body.value.url, joins[1].body.value.url);
    assert.equal(await page.evaluate(() => probe.offers), 2);
    await closeAll(call);
});

test('who is refused a new connection waits as long as told, but not when the room has a new place', async () => {
    const call = await joined(1);
    const { page, gateway } = call;
    const joins = () => gateway.heardOf('create').filter((message) => message.to.endsWith('/conference')).length;
    gateway.refuse = { code: 503, reason: 'quarantined', retry_after: 60 };
    gateway.epoch = 2;
    gateway.change('placement', { epoch: 2 });
    await until(() => joins() === 2, 'it tries');
    gateway.change('status', 'open'); // no reason to try again
    await page.waitForTimeout(1500);
    assert.equal(joins(), 2);
    gateway.refuse = null;
    gateway.epoch = 3;
    gateway.answerVersion = 3 * 2 ** 32 + 1;
    gateway.change('placement', { epoch: 3 });
    await until(() => joins() === 3, 'it tries at once', 1000);
    await page.waitForFunction(() => parley.mediaState === 'connected');
    await closeAll(call);
});

test('a reload goes on with the session, as the same participant', async () => {
    const call = await joined(1);
    const { page, gateway } = call;
    await page.reload();
    await page.waitForFunction(() => window.parley, undefined, { timeout: 10000 });
    assert.equal(gateway.heardOf('re-open').length, 1);
    const joins = joinsOf(gateway);
    assert.deepEqual(joins.map((message) => message.body.value.version), [1, 2]);
    assert.equal(new Set(joins.map((message) => message.body.value.url)).size, 1);
    await closeAll(call);
});

test('leaving tells the room and goes back to the lobby', async () => {
    const call = await joined(1);
    const { page, gateway } = call;
    await page.click('[data-action=leave]');
    await page.waitForFunction(() => window.parley === null);
    assert.deepEqual(gateway.heardOf('execute').at(-1).body, { method: 'leaveRoom', params: ['demo'] });
    assert.ok(await page.isVisible('[data-action=join]'));
    assert.equal(new URL(page.url()).searchParams.get('join'), null);
    await closeAll(call);
});

test('a refusal is said in words', async () => {
    const page = await newPage(browser);
    const gateway = new FakeGateway();
    gateway.refuse = { code: 486, reason: 'room_full', desc: 'x' };
    await gateway.serve(page);
    await page.goto(`${gateway.origin}/?room=demo&name=Ann&join=1`);
    await page.waitForFunction(() => /The room is full/.test(document.querySelector('[role=alert]').textContent));
    assert.equal(await page.evaluate(() => window.parley), null);
    await page.context().close();
});

test('without devices, and where the browser gives none, the page says why and still joins', async () => {
    for (const [devices, words] of [['missing', /https or from localhost/], ['none', /No camera and no microphone/]]) {
        const call = await joined(1, { devices });
        await call.page.waitForFunction(() => document.querySelector('[role=alert]').textContent !== '');
        assert.match(await call.page.textContent('[role=alert]'), words);
        assert.equal(await call.page.evaluate(() => parley.self.muted && parley.self.cameraOff), true);
        await closeAll(call);
    }
});

test('a page from another host over plain http has no devices, and says so', async () => {
    const call = await joined(1, { origin: 'http://parley.test', permissions: [] });
    await call.page.waitForFunction(() => /https or from localhost/.test(document.querySelector('[role=alert]').textContent));
    await screenshot(call.page, 'no-devices-390x844', { width: 390, height: 844 });
    await closeAll(call);
});
