// SPDX-License-Identifier: MIT
// The page: lobby and stage. Everything about conferences is in parley.js; this shows it.
//
// `/?room=R&name=N&join=1` joins at once; `&slots=n` limits the pictures received. `window.parley` is the joined Room, else null.
// Each other participant is one element with data-participant; its <video> always has the participant's stream, and is seen only
// while that stream has a picture.

import { Conference, ParleyError } from './parley.js';
import { layout } from './layout.js';
import { openCamera, openDevices } from './devices.js';

const NEWS_MS = 4000;
const $ = (id) => document.getElementById(id);
const action = (name) => document.querySelector(`[data-action=${name}]`);
const query = new URLSearchParams(location.search);

const wish = { microphone: true, camera: true }; // what the buttons say
let devices = null; // promise of a stream, or of null
let stream = null;
let conference = null;
const tiles = new Map(); // participant id → element

window.parley = null;

// ------------------------------------------------------------------------------------------------ words

function alertOf(text, retry = null) {
    const box = $('alert');
    box.replaceChildren();
    box.hidden = !text;
    if (!text)
        return;
    const words = document.createElement('p');
    words.textContent = text;
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = retry ? 'Try again' : 'Dismiss';
    button.onclick = () => {
        box.hidden = true;
        retry?.();
    };
    box.append(words, button);
}

function news(text) {
    const line = document.createElement('p');
    line.textContent = text;
    $('news').append(line);
    setTimeout(() => line.remove(), NEWS_MS);
}

const wordsOf = (error) => (error instanceof ParleyError ? error.message : `Something went wrong: ${error.message}`);

// ------------------------------------------------------------------------------------------------ tiles

function newTile() {
    return $('tile').content.firstElementChild.cloneNode(true);
}

const self = newTile();
self.setAttribute('data-self', '');

const initials = (name) => name.trim().split(/\s+/).slice(0, 2).map((word) => [...word][0] ?? '').join('').toUpperCase() || '?';
const hue = (name) => [...name].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) % 360, 215);

function paintTile(tile, { name, muted, speaking, watched, seen }) {
    const label = tile === self ? `${name} (you)` : name;
    tile.querySelector('.name').textContent = label;
    tile.querySelector('.avatar').textContent = initials(name);
    tile.style.setProperty('--hue', hue(name));
    tile.setAttribute('aria-label', `${label}${muted ? ', muted' : ''}${watched ? ', preferred' : ''}`);
    const flags = { 'data-muted': muted, 'data-speaking': speaking, 'data-watched': watched, 'data-video': seen };
    Object.entries(flags).forEach(([flag, on]) => tile.toggleAttribute(flag, Boolean(on)));
}

/** Gives a video its stream. A picture that is gone must not stay as the last frame of its element. */
function showStream(video, source, fresh) {
    if (fresh)
        video.srcObject = null;
    if (video.srcObject !== source)
        video.srcObject = source;
    video.play().catch(() => {}); // muted: only a page in the background refuses
}

function paintSelf() {
    const seen = wish.camera && Boolean(stream?.getVideoTracks().some((track) => track.readyState === 'live'));
    const me = window.parley?.self;
    paintTile(self, { name: me?.name ?? ($('name').value.trim() || 'Guest'), muted: !wish.microphone || !stream?.getAudioTracks().length,
        speaking: me?.speaking && wish.microphone, seen });
    showStream(self.querySelector('video'), stream, false);
}

function paintParticipant(participant) {
    const tile = tiles.get(participant.id);
    if (tile)
        paintTile(tile, { ...participant, seen: participant.visible });
}

function paintMedia(participant) {
    const tile = tiles.get(participant.id);
    if (!tile)
        return;
    showStream(tile.querySelector('video'), participant.stream, !participant.visible);
    paintParticipant(participant);
}

function addTile(participant) {
    const tile = newTile();
    tile.setAttribute('data-participant', participant.id);
    tile.tabIndex = 0;
    const toggle = () => window.parley?.watch(participant, participant.watched ? null : { size: 'large' });
    tile.onclick = toggle;
    tile.onkeydown = (event) => (event.key === 'Enter' || event.key === ' ') && (event.preventDefault(), toggle());
    tiles.set(participant.id, tile);
    $('grid').insertBefore(tile, self.parentNode === $('grid') ? self : null);
    paintMedia(participant);
    arrange();
}

function removeTile(participant) {
    const tile = tiles.get(participant.id);
    tile?.querySelector('video') && (tile.querySelector('video').srcObject = null);
    tile?.remove();
    tiles.delete(participant.id);
    arrange();
}

function arrange() {
    const grid = $('grid');
    const company = tiles.size > 0;
    grid.toggleAttribute('data-company', company);
    $('alone').hidden = company || !window.parley;
    $('room-title').textContent = window.parley ? `${window.parley.id} · ${tiles.size + 1} here` : '';
    const floats = company && getComputedStyle(self).position === 'absolute';
    layout(grid, tiles.size + (floats ? 0 : 1));
}

new ResizeObserver(arrange).observe($('grid'));

// ------------------------------------------------------------------------------------------------ devices

async function useDevices() {
    devices = openDevices();
    const { stream: opened, problem } = await devices;
    stream = opened;
    stream?.getAudioTracks().forEach((track) => (track.enabled = wish.microphone));
    if (problem)
        alertOf(problem, problem.includes('allow') ? () => useDevices().then(() => window.parley?.setStream(stream)) : null);
    paintControls();
    return stream;
}

function paintControls() {
    const draw = (name, on, text) => {
        const button = action(name);
        button.setAttribute('aria-pressed', String(!on));
        button.querySelector('span').textContent = text;
        button.querySelector('use').setAttribute('href', `#icon-${name === 'mute' ? 'mic' : 'camera'}${on ? '' : '-off'}`);
    };
    draw('mute', wish.microphone, wish.microphone ? 'Mute' : 'Unmute');
    draw('camera', wish.camera, wish.camera ? 'Camera off' : 'Camera on');
    paintSelf();
}

async function toggleMicrophone() {
    wish.microphone = !wish.microphone;
    stream?.getAudioTracks().forEach((track) => (track.enabled = wish.microphone));
    paintControls();
    await window.parley?.setMicrophone(wish.microphone);
}

/** Off stops the device, so that its light goes out; on opens it again. */
async function toggleCamera() {
    wish.camera = !wish.camera;
    paintControls();
    if (wish.camera) {
        const { track, problem } = await openCamera();
        if (problem) {
            wish.camera = false;
            alertOf(problem);
        } else {
            stream ??= new MediaStream();
            stream.getVideoTracks().forEach((old) => stream.removeTrack(old));
            stream.addTrack(track);
        }
        paintControls();
        await window.parley?.setCamera(wish.camera, track);
    } else {
        await window.parley?.setCamera(false);
        stream?.getVideoTracks().forEach((track) => track.stop());
    }
}

// ------------------------------------------------------------------------------------------------ joining and leaving

function show(view) {
    document.body.dataset.view = view;
    $('lobby').hidden = view !== 'lobby';
    $('stage').hidden = view !== 'stage';
    if (view === 'lobby') {
        $('preview').append(self, $('bar'));
    } else {
        $('grid').append(self);
        document.body.append($('bar'));
    }
    paintControls();
    arrange();
}

const busy = (joining) => {
    $('join').disabled = joining;
    $('join').textContent = joining ? 'Joining…' : 'Join';
};

/** What is wrong with the form, in words; empty if nothing. */
function checkForm() {
    const room = $('room').value.trim() || 'demo';
    const fits = /^[A-Za-z0-9_-]{1,64}$/.test(room);
    $('room').setAttribute('aria-invalid', String(!fits));
    return fits ? '' : 'A room’s name is 1 to 64 letters, digits, - or _.';
}

async function join() {
    const problem = checkForm();
    if (problem) {
        alertOf(problem);
        $('room').focus();
        return;
    }
    if (window.parley || $('join').disabled)
        return;
    busy(true);
    alertOf('');
    try {
        const name = $('name').value.trim() || 'Guest';
        const slots = query.has('slots') ? Number(query.get('slots')) : undefined;
        conference = await Conference.open(undefined, { name, slots });
        conference.addEventListener('state', paintState);
        const asked = { ...wish };
        const room = await conference.joinRoom($('room').value.trim() || 'demo', { stream: stream ?? devices.then(() => stream), ...asked });
        entered(room);
        if (wish.microphone !== asked.microphone) // pressed meanwhile
            room.setMicrophone(wish.microphone);
    } catch (error) {
        console.error(error);
        conference?.close();
        conference = null;
        alertOf(wordsOf(error), join);
    } finally {
        busy(false);
    }
}

function entered(room) {
    window.parley = room;
    remember(room);
    show('stage');
    room.participants.forEach(addTile);
    room.onNewParticipant((participant) => {
        addTile(participant);
        news(`${participant.name} has joined`);
    });
    room.onParticipantLeft((participant, reason) => {
        removeTile(participant);
        news(reason === 'lost' ? `${participant.name} was lost` : `${participant.name} has left`);
    });
    room.addEventListener('participantchanged', ({ detail }) => (detail.participant === room.self ? paintSelf() : paintParticipant(detail.participant)));
    room.addEventListener('media', ({ detail }) => paintMedia(detail.participant));
    room.addEventListener('speakers', () => {
        room.participants.forEach(paintParticipant);
        paintSelf();
    });
    room.addEventListener('mediastate', paintState);
    room.addEventListener('audioblocked', () => ($('hear').hidden = !room.audioBlocked));
    room.addEventListener('ended', ({ detail }) => left(detail));
    $('hear').hidden = !room.audioBlocked;
    arrange();
    paintState();
}

/** A reload joins again; the link to share is the same page without a name. */
function remember(room) {
    const url = new URL(location);
    url.searchParams.set('room', room.id);
    url.searchParams.set('name', room.self.name);
    url.searchParams.set('join', '1');
    history.replaceState(null, '', url);
}

function left({ reason, error }) {
    window.parley = null;
    conference?.close();
    conference = null;
    [...tiles.keys()].forEach((id) => removeTile({ id }));
    const url = new URL(location);
    url.searchParams.delete('join');
    history.replaceState(null, '', url);
    $('hear').hidden = true;
    show('lobby');
    paintState();
    if (reason === 'removed')
        alertOf('You have been removed from the room.');
    else if (reason === 'replaced')
        alertOf('You have joined from another page: this one has left the room.');
    else if (reason !== 'left')
        alertOf(error ? wordsOf(error) : 'The conference has ended.', join);
}

async function leave() {
    const room = window.parley;
    await room?.leaveRoom().catch((error) => console.warn(error)); // the room finds out by itself
}

function paintState() {
    const room = window.parley;
    const words = { reconnecting: 'Reconnecting… the call goes on', connecting: 'Connecting…' }[conference?.state] ??
        (room?.mediaState === 'interrupted' ? 'Picture and sound are interrupted…' : '');
    $('status').textContent = room ? words : '';
}

async function copyLink() {
    const url = new URL(location.pathname, location.href);
    url.searchParams.set('room', window.parley.id);
    try {
        await navigator.clipboard.writeText(url.href);
        news('Link copied');
    } catch { // no clipboard without https
        news(url.href);
    }
}

// ------------------------------------------------------------------------------------------------ start

$('name').value = query.get('name') ?? '';
$('room').value = query.get('room') ?? '';
$('name').oninput = paintSelf;
$('room').oninput = () => $('room').removeAttribute('aria-invalid');
$('form').onsubmit = (event) => {
    event.preventDefault();
    join();
};
action('mute').onclick = toggleMicrophone;
action('camera').onclick = toggleCamera;
action('leave').onclick = leave;
$('hear').onclick = () => window.parley?.startAudio();
$('copy').onclick = copyLink;
show('lobby');
useDevices();
if (query.get('join') === '1')
    join();
