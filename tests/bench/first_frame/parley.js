// SPDX-License-Identifier: MIT
// A person in a Parley room, as a page with the library makes one.
import { Conference } from '/client/parley.js';
import { Stopwatch, firstFrame, openDevices } from './person.js';

const devices = await openDevices();

/** Somebody who only sends; `devices.draw` turns its camera on and off. */
async function send(url, roomId) {
    const conference = await Conference.connect(url, { name: 'Bob', storage: null });
    await conference.joinRoom(roomId, { stream: devices.stream });
}

/** Joins, and times it until somebody else is seen. connected: the session is open before. */
async function join(url, roomId, connected) {
    const options = { name: 'Ann', storage: null };
    let conference = connected ? await Conference.connect(url, options) : null;
    const watch = new Stopwatch();
    conference ??= await Conference.open(url, options);
    const room = await conference.joinRoom(roomId, { stream: devices.stream });
    watch.mark('answered');
    watch.follow(room.peerConnection);
    const other = [...room.participants.values()][0];
    await firstFrame(other.stream);
    watch.mark('frame');
    await room.leaveRoom();
    conference.close();
    return watch.marks;
}

globalThis.person = { send, join, draw: devices.draw };
