// SPDX-License-Identifier: MIT
// Parley in a browser: join a room, see and hear the others. A plain ES module without dependencies.
//
//     import { Conference } from '/client/parley.js';
//     const conference = await Conference.connect(undefined, { name: 'Ann' });
//     const room = await conference.joinRoom('demo', { stream: await navigator.mediaDevices.getUserMedia({ audio: true, video: true }) });
//     room.onNewParticipant((participant) => { video.srcObject = participant.stream; });

export { Conference } from './conference.js';
export { Room } from './room.js';
export { Participant } from './participant.js';
export { ParleyError } from './errors.js';
