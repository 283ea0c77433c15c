// SPDX-License-Identifier: MIT
// Whose picture a slot shows: never a face under a wrong name, whichever of data and frames comes first.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SlotName, reached } from '../../services/gateway/client/naming.js';

const ann = (from = 1000) => ({ participant: 'ann', source: 'video', number: 1, from });
const bob = (from = 5000) => ({ participant: 'bob', source: 'video', number: 2, from });
const find = (number) => ({ 1: { participant: 'ann', source: 'video', number: 1 }, 2: { participant: 'bob', source: 'video', number: 2 } })[number] ?? null;

test('timestamps are compared modulo 2^32', () => {
    assert.ok(reached(1000, 1000));
    assert.ok(!reached(999, 1000));
    assert.ok(reached(5, 0xfffffff0));
    assert.ok(!reached(0xfffffff0, 5));
});

test('a slot that was never used shows its first participant at once', () => {
    const slot = new SlotName();
    assert.ok(slot.tell(ann()));
    assert.equal(slot.shown.participant, 'ann');
    assert.ok(!slot.waiting);
});

test('the old name loses the picture with the data, the new one gets it with the first frame of its own', () => {
    const slot = new SlotName();
    slot.tell(ann());
    slot.frame(4990, 1);
    assert.ok(slot.tell(bob()));
    assert.equal(slot.shown, null);
    assert.ok(slot.waiting);
    assert.ok(!slot.frame(4995, 1, find));
    assert.equal(slot.shown, null);
    assert.ok(slot.frame(5000, 2, find));
    assert.equal(slot.shown.participant, 'bob');
});

test('without numbers on the packets the timestamp alone decides', () => {
    const slot = new SlotName();
    slot.tell(ann());
    slot.tell(bob());
    assert.ok(!slot.frame(4999, undefined));
    assert.ok(slot.frame(5003, undefined));
    assert.equal(slot.shown.participant, 'bob');
});

test('a frame of somebody else takes the picture away before the data come', () => {
    const slot = new SlotName();
    slot.tell(ann());
    slot.frame(4990, 1, find);
    assert.ok(slot.frame(5000, 2, find));
    assert.equal(slot.shown, null);
    assert.ok(slot.tell(bob()) || slot.shown === null);
    assert.ok(slot.frame(5003, 2, find));
    assert.equal(slot.shown.participant, 'bob');
});

test('while no data come, the number itself names who is seen', () => {
    const slot = new SlotName();
    slot.tell(ann());
    for (const rtp of [5000, 5003, 5006, 5009])
        slot.frame(rtp, 2, find);
    assert.equal(slot.shown.participant, 'bob');
    assert.ok(!slot.tell(bob()), 'the data that come later change nothing');
});

test('a number that nobody has shows nobody', () => {
    const slot = new SlotName();
    slot.tell(ann());
    for (let rtp = 5000; rtp < 5100; rtp += 3)
        slot.frame(rtp, 9, find);
    assert.equal(slot.shown, null);
});

test('frames of the old one after early data never bring its name back', () => {
    const slot = new SlotName();
    slot.tell(ann());
    slot.tell(bob());
    for (let rtp = 4000; rtp < 4900; rtp += 3)
        slot.frame(rtp, 1, find);
    assert.equal(slot.shown, null);
});

test('an empty slot shows nobody, and who comes back into it is awaited', () => {
    const slot = new SlotName();
    slot.tell(ann());
    assert.ok(slot.tell(undefined));
    assert.equal(slot.shown, null);
    assert.ok(!slot.frame(4000, 1, find));
    slot.tell(bob());
    assert.equal(slot.shown, null);
});

test('the same data again change nothing, nor does a frame that was seen already', () => {
    const slot = new SlotName();
    slot.tell(ann());
    assert.ok(!slot.tell({ ...ann() }));
    slot.frame(5000, 1);
    assert.ok(!slot.frame(5000, 2, find), 'one frame counts once');
    assert.equal(slot.shown.participant, 'ann');
});

test('a screen after a camera of the same participant is another picture', () => {
    const slot = new SlotName();
    slot.tell(ann());
    assert.ok(slot.tell({ ...ann(7000), source: 'screen' }));
    assert.ok(!slot.frame(6999, 1));
    assert.ok(slot.frame(7000, 1));
    assert.equal(slot.shown.source, 'screen');
});

test('a participant whose first timestamp is half a turn of the clock ago is shown by its number', () => {
    const slot = new SlotName();
    slot.tell(ann());
    slot.tell(bob(0));
    for (let i = 0; i < 70; i++)
        slot.frame(0x90000000 + i * 3000, 2, find);
    assert.equal(slot.shown?.participant, 'bob');
});
