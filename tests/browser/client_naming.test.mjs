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

/** A frame is delivered. @returns {boolean} whether it changed what is shown */
const frame = (slot, rtp, number) => slot.delivered(rtp, number, find);

test('the old name loses the picture with the data, the new one gets it with the first frame of its own', () => {
    const slot = new SlotName();
    slot.tell(ann());
    frame(slot, 4990, 1);
    assert.ok(slot.tell(bob()));
    assert.equal(slot.shown, null);
    assert.ok(slot.waiting);
    assert.ok(!frame(slot, 4995, 1));
    assert.ok(frame(slot, 5000, 2));
    assert.equal(slot.shown.participant, 'bob');
});

test('without numbers on the packets the timestamp alone decides', () => {
    const slot = new SlotName();
    slot.tell(ann());
    slot.tell(bob());
    assert.ok(!frame(slot, 4999));
    assert.ok(frame(slot, 5003));
    assert.equal(slot.shown.participant, 'bob');
});

test('a frame of somebody else takes the picture away before the data come', () => {
    const slot = new SlotName();
    slot.tell(ann());
    frame(slot, 4990, 1);
    assert.ok(frame(slot, 5000, 2));
    assert.equal(slot.shown, null);
    slot.tell(bob());
    assert.equal(slot.shown, null);
    assert.ok(frame(slot, 5003, 2));
    assert.equal(slot.shown.participant, 'bob');
});

test('while no data come, the number itself names who is seen', () => {
    const slot = new SlotName();
    slot.tell(ann());
    frame(slot, 5000, 2);
    frame(slot, 5003, 2);
    assert.equal(slot.shown.participant, 'bob');
    assert.ok(!slot.tell(bob()), 'the data that come later change nothing');
    assert.equal(slot.shown.participant, 'bob');
});

test('data that are out of date when they come are corrected by the number', () => {
    const slot = new SlotName();
    slot.tell(ann());
    slot.tell({ participant: 'cleo', source: 'video', number: 3, from: 4000 });
    for (const rtp of [5000, 5003, 5006, 5009])
        frame(slot, rtp, 2);
    assert.equal(slot.shown.participant, 'bob');
});

test('a number that nobody has shows nobody', () => {
    const slot = new SlotName();
    slot.tell(ann());
    for (let rtp = 5000; rtp < 5100; rtp += 3)
        frame(slot, rtp, 9);
    assert.equal(slot.shown, null);
});

test('frames of the old one after early data never bring its name back', () => {
    const slot = new SlotName();
    slot.tell(ann());
    slot.tell(bob());
    for (let rtp = 4000; rtp < 4900; rtp += 3)
        frame(slot, rtp, 1);
    assert.equal(slot.shown, null);
});

test('an empty slot shows nobody, and who comes back into it is awaited', () => {
    const slot = new SlotName();
    slot.tell(ann());
    assert.ok(slot.tell({}));
    assert.equal(slot.shown, null);
    assert.ok(!frame(slot, 4000, 1));
    slot.tell(bob());
    assert.equal(slot.shown, null);
    assert.ok(slot.waiting);
});

test('the same data again change nothing', () => {
    const slot = new SlotName();
    slot.tell(ann());
    assert.ok(!slot.tell({ ...ann() }));
    assert.equal(slot.shown.participant, 'ann');
});

test('a screen after a camera of the same participant is another picture', () => {
    const slot = new SlotName();
    slot.tell(ann());
    assert.ok(slot.tell({ ...ann(7000), source: 'screen' }));
    assert.ok(!frame(slot, 6999, 1));
    assert.ok(frame(slot, 7000, 1));
    assert.equal(slot.shown.source, 'screen');
});

test('a participant whose first timestamp is half a turn of the clock ago is shown by its number', () => {
    const slot = new SlotName();
    slot.tell(ann());
    slot.tell(bob(0));
    for (let i = 0; i < 70; i++)
        frame(slot, 0x90000000 + i * 3000, 2);
    assert.equal(slot.shown?.participant, 'bob');
});

// Where frames are seen before they are decoded.

test('the old name keeps the picture until the first frame of another comes to the decoder, whatever the data say', () => {
    const slot = new SlotName();
    slot.tell(ann());
    assert.ok(!slot.arrives(1, 1000, find));
    assert.ok(!slot.tell(bob()), 'the data are early');
    assert.equal(slot.shown.participant, 'ann');
    assert.ok(slot.arrives(2, 5000, find));
    assert.equal(slot.shown, null);
    assert.ok(!frame(slot, 4997));
    assert.ok(frame(slot, 5000));
    assert.equal(slot.shown.participant, 'bob');
});

test('data that are late change nothing any more', () => {
    const slot = new SlotName();
    slot.tell(ann());
    slot.arrives(1, 1000, find);
    slot.arrives(2, 5000, find);
    frame(slot, 5000);
    assert.ok(!slot.tell(bob()));
    assert.equal(slot.shown.participant, 'bob');
});

test('a number that nobody has yet is named when its participant comes', () => {
    const slot = new SlotName();
    slot.tell(ann());
    slot.arrives(1, 1000, find);
    slot.arrives(3, 5000, find);
    assert.ok(!frame(slot, 5000));
    slot.resolve((number) => ({ participant: 'cleo', source: 'video', number }));
    assert.ok(frame(slot, 5003));
    assert.equal(slot.shown.participant, 'cleo');
});

test('the data say whether it is the camera or the screen of the same participant', () => {
    const slot = new SlotName();
    slot.tell(ann());
    slot.arrives(1, 1000, find);
    assert.ok(slot.tell({ ...ann(7000), source: 'screen' }));
    assert.ok(!frame(slot, 6999));
    assert.ok(frame(slot, 7000));
    assert.equal(slot.shown.source, 'screen');
});

test('an empty slot is hidden by the data, and shown again by the frames', () => {
    const slot = new SlotName();
    slot.tell(ann());
    slot.arrives(1, 1000, find);
    assert.ok(slot.tell({}));
    assert.equal(slot.shown, null);
    slot.arrives(2, 5000, find);
    assert.ok(frame(slot, 5000));
    assert.equal(slot.shown.participant, 'bob');
});

test('the same participant comes back into an emptied slot by the data', () => {
    const slot = new SlotName();
    slot.tell(ann());
    slot.arrives(1, 1000, find);
    slot.tell({});
    slot.tell(ann(9000));
    assert.ok(frame(slot, 9000));
    assert.equal(slot.shown.participant, 'ann');
});
