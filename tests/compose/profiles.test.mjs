// SPDX-License-Identifier: MIT
// What an operator may add: a relay for browsers that UDP does not reach, Prometheus, and the file for machines where
// containers cannot share the host's network.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { entered, joinAs, launch, leave, newPage, relaysOnly, sees } from '../browser/support/browser.mjs';
import { until } from '../browser/support/suite.mjs';
import { HOST, Stack } from './stack.mjs';

const RELAY = `turn:${HOST}:3478?transport=udp`;
let browser;

before(async () => {
    browser = await launch();
});
after(() => browser?.close());
const story = (name, stack, run) => test(name, { timeout: 180000 }, async () => {
    try {
        await run();
    } catch (error) {
        console.error(await stack.logs());
        throw error;
    }
});

const profiles = ['--profile', 'turn', '--profile', 'monitoring'];
const suite = new Stack({ PARLEY_GATEWAY_LISTEN: '0.0.0.0', PARLEY_TURN_URIS: RELAY });
let people = [];

/** A page whose browser may use relays only. */
async function enterByRelay(person) {
    const page = await newPage(browser, { person });
    await page.addInitScript(relaysOnly);
    await page.goto(`${suite.origin}/?room=relayed&name=${person}&join=1`);
    page.person = person;
    return entered(page);
}

/** What the page's own candidate of the pair in use is. */
const ownCandidate = (page) => page.evaluate(async () => {
    const stats = await parley.peerConnection.getStats();
    const transport = [...stats.values()].find(({ type }) => type === 'transport');
    const local = stats.get(stats.get(transport.selectedCandidatePairId).localCandidateId);
    return { type: local.candidateType, protocol: local.relayProtocol };
});

story('profiles turn and monitoring come up beside the suite', suite, () => suite.up(profiles));

story('browsers that may only use the relay see each other through it, with credentials from their join', suite, async () => {
    people = [await enterByRelay('Ann'), await enterByRelay('Bob')];
    const [ann, bob] = people;
    await Promise.all([sees(ann, [bob]), sees(bob, [ann])]);
    assert.deepEqual(await ownCandidate(ann), { type: 'relay', protocol: 'udp' });
    const [server] = await ann.evaluate(() => parley.peerConnection.getConfiguration().iceServers);
    assert.match(server.username, new RegExp(`^\\d+:${ann.participant}$`));
});

story('the relay opens to nobody else, and to nothing but the suite\'s media', suite, async () => {
    const [server] = await people[0].evaluate(() => parley.peerConnection.getConfiguration().iceServers);
    const gathered = (servers) => people[0].evaluate(async (iceServers) => {
        const connection = new RTCPeerConnection({ iceServers, iceTransportPolicy: 'relay' });
        connection.createDataChannel('x');
        const candidates = [];
        connection.onicecandidate = ({ candidate }) => candidate?.candidate && candidates.push(candidate.candidate);
        await connection.setLocalDescription();
        while (connection.iceGatheringState !== 'complete')
            await new Promise((done) => (connection.onicegatheringstatechange = done));
        connection.close();
        return candidates.length;
    }, servers);
    assert.equal(await gathered([server]), 1);
    assert.equal(await gathered([{ ...server, credential: 'guessed' }]), 0);
    assert.equal(await gathered([{ ...server, username: server.username.replace(/^\d/, '9') }]), 0, 'a later expiry is not believed');
    const client = ['turnutils_uclient', '-c', '-n', '1', '-u', server.username, '-w', server.credential];
    const answer = (peer) => suite.compose(...profiles, 'exec', '-T', 'turn', ...client, '-e', peer, HOST).catch((error) => error.stdout + error.stderr);
    assert.match(await answer('203.0.113.7'), /403/, 'an address that is none of ours');
    assert.match(await answer('127.0.0.1'), /403/, 'what listens on loopback only');
});

story('Prometheus has the figures of every process', suite, async () => {
    const ask = async (query) => (await (await fetch(`http://127.0.0.1:9090/api/v1/query?query=${encodeURIComponent(query)}`)).json()).data.result;
    const roles = async () => (await ask('parley_up')).map(({ metric }) => metric.process.replace(/-[0-9a-f]+$/, ''));
    const heard = await until(async () => {
        const all = new Set(await roles());
        return all.has('worker') && all.has('media') && all;
    }, 'Prometheus knows the worker and its room', 30000);
    assert.deepEqual([...heard].sort(), ['bus', 'gateway', 'media', 'registry', 'worker']);
    await until(async () => (await ask('sum(parley_participants)'))[0]?.value[1] === '2', 'two participants', 15000);
});

story('they go down with the rest', suite, async () => {
    await leave(people);
    await suite.compose(...profiles, 'down', '--volumes');
    assert.deepEqual(await suite.containers(), []);
});

const desktop = new Stack({ COMPOSE_FILE: 'docker-compose.desktop.yml' });

story('without the host\'s network two people meet on localhost', desktop, async () => {
    await desktop.up();
    const ann = await joinAs(browser, desktop, 'Ann');
    const bob = await joinAs(browser, desktop, 'Bob');
    await Promise.all([sees(ann, [bob]), sees(bob, [ann])]);
    await leave([ann, bob]);
    await desktop.compose('down', '--volumes');
    assert.deepEqual(await desktop.containers(), []);
});
