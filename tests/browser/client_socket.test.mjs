// SPDX-License-Identifier: MIT
// The browser library's message channel against a gateway that is the test.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { FakeClock, fakeSockets, settled } from './support/fakes.mjs';
import { Channel, backoff } from '../../services/gateway/client/socket.js';

let clock, sockets, channel;

function open(options = {}) {
    const fake = fakeSockets();
    sockets = fake.sockets;
    channel = new Channel('ws://test/ws', { runtimeURL: 'hyperty-runtime://localhost/r', WebSocket: fake.FakeSocket, ...options });
    return channel;
}
const ask = (body = {}) => channel.request({ type: 'create', from: 'hyperty://localhost/h', to: 'hyperty://localhost/x', body });

beforeEach(() => {
    clock = new FakeClock();
});
afterEach(() => {
    channel?.close();
    clock.restore();
});

test('pauses double from 100 ms to 5 s, give or take a half', () => {
    assert.deepEqual([0, 1, 2, 3].map((n) => backoff(n, () => 0.5)), [100, 200, 400, 800]);
    assert.equal(backoff(40, () => 0.5), 5000);
    assert.equal(backoff(0, () => 0), 50);
    assert.ok(backoff(9, () => 0.999) < 7500);
});

test('opens a session with its runtime URL and what identifies it', () => {
    open({ hello: { identity: { userProfile: { preferred_username: 'Ann' } } } });
    sockets[0].open();
    const [hello] = sockets[0].sent;
    assert.equal(hello.type, 'open');
    assert.equal(hello.from, 'hyperty-runtime://localhost/r');
    assert.equal(hello.to, 'mn:/session');
    assert.equal(hello.body.identity.userProfile.preferred_username, 'Ann');
    assert.equal(channel.state, 'connecting');
    sockets[0].answer(hello, { code: 200, runtimeToken: 's1.sig' });
    assert.equal(channel.state, 'connected');
    assert.equal(channel.token, 's1.sig');
});

test('requests made before the handshake travel right behind it, once', async () => {
    open();
    const answer = ask({ n: 1 });
    sockets[0].open();
    assert.deepEqual(sockets[0].sent.map((message) => message.type), ['open', 'create']);
    sockets[0].answer(sockets[0].sent[0], { code: 200, runtimeToken: 's1.sig' });
    assert.equal(sockets[0].sent.length, 2);
    sockets[0].answer(sockets[0].sent[1], { code: 200, value: 7 });
    assert.equal((await answer).value, 7);
});

test('an answer settles the request of its id; a provisional one does not', async () => {
    open();
    sockets[0].greet();
    const [first, second] = [ask({ n: 1 }), ask({ n: 2 })];
    const [, one, two] = sockets[0].sent;
    sockets[0].answer(two, { code: 100 });
    sockets[0].answer(two, { code: 200, is: 'second' });
    sockets[0].answer(one, { code: 200, is: 'first' });
    assert.equal((await first).is, 'first');
    assert.equal((await second).is, 'second');
});

test('a refusal is an error with its reason, and a sentence', async () => {
    open();
    sockets[0].greet();
    const answer = ask();
    sockets[0].answer(sockets[0].sent[1], { code: 486, reason: 'room_full', desc: 'full' });
    await assert.rejects(answer, { name: 'ParleyError', reason: 'room_full', code: 486, message: 'The room is full.' });
});

test('a request without an answer fails after its time', async () => {
    open();
    sockets[0].greet();
    const answer = assert.rejects(ask(), { reason: 'timeout' });
    await clock.pass(20000);
    await answer;
});

test('a lost socket is replaced, re-opened with the token, and open requests go out again unchanged', async () => {
    open();
    sockets[0].greet();
    const answer = ask({ n: 1 });
    const states = [];
    channel.addEventListener('reconnecting', () => states.push('reconnecting'));
    channel.addEventListener('connected', ({ detail }) => states.push(detail.resumed));
    sockets[0].break();
    assert.equal(channel.state, 'reconnecting');
    await clock.pass(150);
    assert.equal(sockets.length, 2);
    sockets[1].open();
    assert.equal(sockets[1].sent.length, 1);
    assert.equal(sockets[1].sent[0].type, 're-open');
    assert.equal(sockets[1].sent[0].from, 'hyperty-runtime://localhost/r/s1.sig');
    sockets[1].answer(sockets[1].sent[0], { code: 200, runtimeToken: 's1.other' });
    assert.deepEqual(states, ['reconnecting', true]);
    assert.deepEqual(sockets[1].sent[1], sockets[0].sent[1]);
    sockets[1].answer(sockets[1].sent[1], { code: 200 });
    await answer;
});

test('what nobody answers waits for the next socket', async () => {
    open();
    sockets[0].greet();
    sockets[0].break();
    channel.publish({ type: 'update', from: 'connection://localhost/c', to: 'connection://localhost/c/changes', body: { version: 2 } });
    await clock.pass(150);
    sockets[1].greet();
    assert.equal(sockets[1].sent.at(-1).body.version, 2);
});

test('another session in the answer of a re-open is no resumption', async () => {
    open({ token: 's1.sig' });
    let resumed;
    channel.addEventListener('connected', ({ detail }) => (resumed = detail.resumed));
    sockets[0].greet('s2.sig');
    assert.equal(resumed, false);
});

test('a refused re-open becomes an open on the same socket', () => {
    open({ token: 's1.sig' });
    sockets[0].open();
    sockets[0].answer(sockets[0].sent[0], { code: 403, reason: 'bad_token' });
    assert.equal(sockets[0].sent[1].type, 'open');
    sockets[0].answer(sockets[0].sent[1], { code: 200, runtimeToken: 's2.sig' });
    assert.equal(channel.state, 'connected');
});

test('a refused open ends the channel, and every request with it', async () => {
    open();
    let error;
    channel.addEventListener('disconnected', ({ detail }) => (error = detail.error));
    const answer = assert.rejects(ask(), { reason: 'bad_token' });
    sockets[0].open();
    sockets[0].answer(sockets[0].sent[0], { code: 403, reason: 'bad_token' });
    await answer;
    assert.equal(error.reason, 'bad_token');
    assert.equal(channel.state, 'disconnected');
    await clock.pass(60000);
    assert.equal(sockets.length, 1);
});

test('it tries again for as long as nobody answers, ever more slowly', async () => {
    open();
    for (let i = 0; i < 12; i++) {
        sockets.at(-1).break();
        assert.ok(clock.next <= 7500);
        await clock.pass(clock.next);
        assert.equal(sockets.length, i + 2);
    }
});

test('a socket that opens and says nothing is given up after 5 s', async () => {
    open();
    sockets[0].open();
    await clock.pass(5200);
    assert.equal(sockets[0].readyState, 3);
    assert.equal(sockets.length, 2);
});

test('a silent connection is asked for a sign of life, and given up without one', async () => {
    open();
    sockets[0].greet();
    channel.probe = () => ({ type: 'subscribe', from: 'hyperty://localhost/h', to: 'domain://msg-node.localhost/sm', body: {} });
    await clock.pass(20000);
    assert.equal(sockets[0].sent.at(-1).type, 'subscribe');
    sockets[0].answer(sockets[0].sent.at(-1), { code: 200 });
    assert.equal(channel.state, 'connected');
    await clock.pass(25200);
    assert.equal(channel.state, 'reconnecting');
});

test('words of an old socket are not heard any more', async () => {
    open();
    sockets[0].greet();
    const heard = [];
    channel.onmessage = (message) => heard.push(message);
    sockets[0].break();
    await clock.pass(150);
    sockets[1].greet();
    sockets[0].receive({ id: 1, type: 'update', from: 'a', to: 'b' });
    sockets[1].receive({ id: 2, type: 'update', from: 'a', to: 'b' });
    assert.deepEqual(heard.map((message) => message.id), [2]);
});

test('what is no message is passed over', () => {
    open();
    sockets[0].greet();
    for (const text of ['', '{', 'null', '7', '"x"', '[]', '{"type":"response","id":99}'])
        sockets[0].receive(text);
    assert.equal(channel.state, 'connected');
});

test('closing says so and ends what is open', async () => {
    open();
    sockets[0].greet();
    const answer = assert.rejects(ask(), { reason: 'closed' });
    channel?.close();
    assert.equal(sockets[0].sent.at(-1).type, 'close');
    await answer;
    await settled();
    assert.equal(channel.state, 'disconnected');
});
