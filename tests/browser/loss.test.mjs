// SPDX-License-Identifier: MIT
// What the network loses: 5 % of the packets both ways, by the kernel's packet filter on this suite's own UDP ports.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { joinAs, launch, sees } from './support/browser.mjs';
import { Suite, measured, missing, until } from './support/suite.mjs';

const filter = (program, ...args) => execFileSync(program, ['-w', '5', ...args], { stdio: 'pipe' });

/** Why packets cannot be dropped here; false if they can. */
function forbidden() {
    try {
        ['iptables', 'ip6tables'].forEach((program) => filter(program, '-L', 'INPUT', '-n'));
        return false;
    } catch {
        return 'iptables is not permitted here (needs root and the packet filter)';
    }
}

let suite, browser;
const rules = [];
const skip = missing || forbidden();

function lose(probability) {
    const [first, last] = suite.mediaPorts;
    for (const program of ['iptables', 'ip6tables'])
        for (const side of ['--dport', '--sport']) {
            const rule = ['INPUT', '-p', 'udp', side, `${first}:${last}`, '-m', 'statistic', '--mode', 'random', '--probability', String(probability), '-j', 'DROP'];
            filter(program, '-A', ...rule);
            rules.push([program, rule]);
        }
}

const loseNothing = () => rules.splice(0).forEach(([program, rule]) => filter(program, '-D', ...rule));

before(async () => {
    if (skip)
        return;
    process.once('exit', loseNothing);
    suite = await Suite.start({ PARLEY_SUITE_DOMAIN: 'parley.test' }); // the page learns it from the gateway
    browser = await launch();
});
after(async () => {
    loseNothing();
    await browser?.close();
    await suite?.stop();
});

const inbound = (page, kind) => page.evaluate(async (wanted) => {
    const report = [...(await parley.peerConnection.getStats()).values()];
    const sum = (name) => report.filter((entry) => entry.type === 'inbound-rtp' && entry.kind === wanted).reduce((total, entry) => total + (entry[name] ?? 0), 0);
    return { received: sum('totalSamplesReceived'), concealed: sum('concealedSamples') - sum('silentConcealedSamples'), lost: sum('packetsLost'), packets: sum('packetsReceived') };
}, kind);

const bitrate = (page) => page.evaluate(async () => {
    const report = [...(await parley.peerConnection.getStats()).values()];
    return Math.max(0, ...report.map((entry) => entry.availableOutgoingBitrate ?? 0));
});

test('the sender learns within 15 s that it may send more than 1 Mbit/s', { skip, timeout: 60000 }, async () => {
    const ann = await joinAs(browser, suite, 'Ann', { room: 'rate', devices: 'fake' });
    const joined = Date.now();
    const bob = await joinAs(browser, suite, 'Bob', { room: 'rate', devices: 'fake' });
    await until(async () => (await bitrate(ann)) > 1e6, 'availableOutgoingBitrate > 1 Mbit/s', 15000);
    console.log(`more than 1 Mbit/s after ${Date.now() - joined} ms`);
    await ann.context().close();
    await bob.context().close();
});

test('at 5 % loss both ways voices stay whole and pictures move', { skip, timeout: 90000 }, async () => {
    const ann = await joinAs(browser, suite, 'Ann');
    const bob = await joinAs(browser, suite, 'Bob');
    await sees(ann, [bob]);
    await sees(bob, [ann]);
    await ann.waitForTimeout(3000);
    lose(0.05);
    await ann.waitForTimeout(2000);
    const pairs = [[ann, bob], [bob, ann]];
    const measure = () => Promise.all(pairs.map(async ([page, other]) => (
        { ...(await inbound(page, 'audio')), frames: await page.evaluate((id) => probe.frames(id), other.participant) })));
    const results = await measured(async () => {
        const start = await measure();
        await ann.waitForTimeout(10000);
        const end = await measure();
        return end.map((now, i) => (
            { concealed: (now.concealed - start[i].concealed) / (now.received - start[i].received), rate: (now.frames - start[i].frames) / 10 }));
    }, (all) => all.every(({ concealed, rate }) => concealed < 0.05 && rate >= 12));
    loseNothing();
    console.log(results.map(({ concealed, rate }) => `concealed ${(100 * concealed).toFixed(2)} %, ${rate} frames/s`).join('; '));
    assert.ok(results.every(({ concealed }) => concealed < 0.05));
    assert.ok(results.every(({ rate }) => rate >= 12));
});
