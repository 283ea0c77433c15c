// SPDX-License-Identifier: MIT
// The observer's side of data objects in the browser library: versions, gaps, paths, hashes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import './support/globals.mjs';
import { Observer, ObservedObject, canonical, setPath, stateHash } from '../../services/gateway/client/objects.js';

const snapshot = (version = 5, data = { status: 'open', participants: { a: { number: 1 } } }) => ({ url: 'comm://localhost/demo-1', version, data });
const update = (version, attribute, value) => ({ type: 'update', body: { version, attribute, value } });

test('a path sets, makes what lies between, and removes', () => {
    const data = { a: { b: 1 } };
    assert.ok(setPath(data, 'a.c.d', 2));
    assert.ok(setPath(data, 'a.b', undefined));
    assert.ok(setPath(data, 'x.y', undefined));
    assert.deepEqual(data, { a: { c: { d: 2 } } });
});

test('a path through something that is no object changes nothing', () => {
    const data = { a: 1, list: [1] };
    assert.equal(setPath(data, 'a.b', 2), false);
    assert.equal(setPath(data, 'list.0', 2), false);
    assert.equal(setPath(data, 'a..b', 2), false);
    assert.deepEqual(data, { a: 1, list: [1] });
});

test('no path reaches a prototype', () => {
    for (const path of ['__proto__.polluted', 'constructor.prototype.polluted', 'a.__proto__.polluted'])
        assert.equal(setPath({ a: {} }, path, true), false);
    assert.equal({}.polluted, undefined);
});

test('versions: the next is applied, an older one dropped, a later one is a gap', () => {
    const object = new ObservedObject(snapshot());
    assert.equal(object.apply({ version: 5, attribute: 'status', value: 'closed' }), 'old');
    assert.equal(object.apply({ version: 7, attribute: 'status', value: 'closed' }), 'gap');
    assert.equal(object.data.status, 'open');
    assert.equal(object.apply({ version: 6, attribute: 'status', value: 'closed' }), 'applied');
    assert.deepEqual([object.version, object.data.status], [6, 'closed']);
});

test('an update without a version passes', () => {
    const object = new ObservedObject(snapshot());
    assert.equal(object.apply({ attribute: 'status', value: 'paused' }), 'applied');
    assert.equal(object.data.status, 'paused');
});

test('a gap is healed by what the reporter still has, once, and what was held follows', async () => {
    const asked = [];
    const seen = [];
    const observer = new Observer(snapshot(), async (version) => {
        asked.push(version);
        return { version: 7, changes: [{ version: 6, attribute: 'n', value: 6 }, { version: 7, attribute: 'n', value: 7 }] };
    }, (change) => seen.push(change.version));
    observer.feed(update(8, 'n', 8));
    observer.feed(update(9, 'n', 9));
    await new Promise(setImmediate);
    assert.deepEqual(asked, [5]);
    assert.deepEqual(seen, [6, 7, 8, 9]);
    assert.equal(observer.object.data.n, 9);
});

test('a gap that is too old is healed by a snapshot', async () => {
    const seen = [];
    const observer = new Observer(snapshot(), async () => snapshot(300, { status: 'open', participants: {} }), (change) => seen.push(change));
    observer.feed(update(200, 'n', 1));
    await new Promise(setImmediate);
    assert.deepEqual(seen, [null]);
    assert.equal(observer.object.version, 300);
    assert.equal(observer.object.data.n, undefined);
});

test('a digest that is ahead asks for the lost last update; an equal one does not', async () => {
    let asked = 0;
    const observer = new Observer(snapshot(), async () => (asked++, { version: 6, changes: [{ version: 6, attribute: 'n', value: 1 }] }), () => {});
    observer.feed({ type: 'event', body: { value: { version: 5 } } });
    observer.feed({ type: 'event', body: { value: { version: 6 } } });
    await new Promise(setImmediate);
    assert.equal(asked, 1);
    assert.equal(observer.object.version, 6);
});

test('a question that fails leaves the object as it is, and may be asked again', async () => {
    let asked = 0;
    const observer = new Observer(snapshot(), async () => {
        if (asked++ === 0)
            throw new Error('no');
        return { version: 7, changes: [{ version: 6, attribute: 'n', value: 6 }] };
    }, () => {});
    observer.feed(update(7, 'n', 7));
    await new Promise(setImmediate);
    assert.equal(observer.object.version, 5);
    await observer.resume();
    assert.equal(observer.object.data.n, 7);
});

test('canonical JSON has sorted keys, no blanks, and escapes as the suite does', () => {
    assert.equal(canonical({ b: [1, { d: null, c: true }], a: 'é/"\\\n\u001f' }), '{"a":"é/\\"\\\\\\n\\u001F","b":[1,{"c":true,"d":null}]}');
    assert.equal(canonical('\\u001f'), '"\\\\u001f"');
    assert.equal(canonical({ '\u{1f600}': 1, '\uffee': 2 }), '{"\uffee":2,"\u{1f600}":1}');
});

test('the state hash is SHA-256 over it', async () => {
    assert.equal(await stateHash({}), '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
});
