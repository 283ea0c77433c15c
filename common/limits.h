// SPDX-License-Identifier: MIT
// Every bound on what a stranger, a peer or a fault can make grow, each with its reason. Nothing
// else in the tree carries a number of this kind. Sizes in bytes, times in milliseconds unless the
// name says otherwise.
#pragma once

// Addresses and names (design: URLs are printable ASCII without spaces).
#define LIMIT_URL 200    // a topic is a URL; the broker keeps each in its trie
#define LIMIT_KEY 64     // room ids, participant ids and keys of our own objects
#define LIMIT_NAME 200   // a display name, in UTF-8 bytes
#define LIMIT_TOKEN 4096 // a JSON Web Token: what fits into a usual HTTP header line
#define LIMIT_TRACE 64   // goes into every log line

// Messages.
#define LIMIT_WEBSOCKET_MESSAGE                                                                    \
    (128 * 1024)                       // all fragments together; a full offer of 25 slots fits
#define LIMIT_JSON_DEPTH 16            // recursive parsers die of depth first
#define LIMIT_BUS_MESSAGE (192 * 1024) // a WebSocket message in its envelope; checked by the sender
#define LIMIT_BUS_FRAME (256 * 1024)   // what a bound socket accepts at all
#define LIMIT_SNAPSHOT_PART                                                                        \
    (48 * 1024) // answers above are split (legacy splits reads at 50,000 characters)
#define LIMIT_SNAPSHOT_PARTS 64 // of one answer: LIMIT_OBJECT_DATA and what is around it
#define LIMIT_SDP (96 * 1024)
#define LIMIT_SDP_MEDIA 64 // m-lines

// Bus.
#define LIMIT_BUS_QUEUE 20000         // messages, high-water mark of each data path
#define LIMIT_BUS_DISPATCH 64         // messages handled before the loop gets its turn
#define LIMIT_BUS_REQUESTS_OPEN 65536 // requests of ours that wait for an answer
#define LIMIT_BUS_REQUESTS_HELD 65536 // requests of others that a handler has not answered yet
#define LIMIT_BUS_ANSWERS_PER_ASKER 64
#define LIMIT_BUS_ANSWERS_PER_PROCESS 8192 // what services ask each other
#define LIMIT_BUS_ANSWERS 65536
#define LIMIT_BUS_ANSWERS_BYTES (64 * 1024 * 1024) // one answer may have 192 KiB
// After a cut network everybody is to be in step within 2 s, however long it was cut: of these the
// two pauses of a reconnect, or what TCP had doubled its own to.
#define LIMIT_BUS_UNACKNOWLEDGED_MS                                                                \
    1000                           // what was sent without an acknowledgement ends a connection
#define LIMIT_BUS_CONNECT_MS 500   // one attempt
#define LIMIT_BUS_RECONNECT_MS 250 // the longest pause between two
#define LIMIT_BUS_TOPICS 65536     // of which a process knows the last message that it put there
#define LIMIT_BUS_ANSWER_AGE_MS (10 * 60 * 1000)
#define LIMIT_DEADLINE_SERVICE_MS 3000
#define LIMIT_DEADLINE_CLIENT_MS 20000

// Objects.
#define LIMIT_VERSION ((1ULL << 53) - 1) // what JavaScript counts exactly
#define LIMIT_CHANGES_KEPT 256           // per object; whoever lacks more gets a snapshot
#define LIMIT_CHANGES_KEPT_BYTES                                                                   \
    (512 * 1024) // per object: 256 changes of a client may be 128 KiB each
#define LIMIT_OBJECT_DATA                                                                          \
    (2 * 1024 * 1024)             // a client may add members for ever; 1,000 participants fit
#define LIMIT_CHANGES_HELD 256    // out of order at an observer; beyond it asks for a snapshot
#define LIMIT_CLIENT_GAP_MS 300   // how long a gap in a client's object holds its successors
#define LIMIT_RELAYED_GAP_MS 3000 // the same where its gateway answers for it: repeats included
#define LIMIT_RESYNC_MS 250       // an observer that got no answer asks again, ...
#define LIMIT_RESYNC_MOST_MS 5000 // ... doubling up to this
#define LIMIT_RESYNC_GIVE_UP_MS 120000 // ... until nobody has answered for so long
#define LIMIT_DIGEST_FIRST_MS 500
#define LIMIT_DIGEST_EVERY_MS 10000
#define LIMIT_CHILDREN_IN_SNAPSHOT 100

// Gateway.
#define LIMIT_SESSIONS 20000       // per gateway
#define LIMIT_SESSION_ADDRESSES 64 // owned by one session
#define LIMIT_SESSION_ROUTES 512   // of one session
#define LIMIT_SESSION_QUEUE                                                                        \
    (1024 * 1024)                    // bytes waiting for one WebSocket; beyond: closed with 1013
#define LIMIT_SESSION_REQUESTS 64    // open requests of one session, and held ones while it is away
#define LIMIT_HANDSHAKE_MS 5000      // from the upgrade to `open`
#define LIMIT_SESSION_GRACE_MS 20000 // a session without a socket is kept so long
#define LIMIT_OPENS_PER_S 100        // per runtime URL; above, delayed by at most 2 s

#define LIMIT_RECIPIENTS 64 // of one message: each is a message of its own on the bus
#define LIMIT_SOCKETS (LIMIT_SESSIONS + 1000) // WebSockets: those of sessions, and those that open
#define LIMIT_SOCKET_PAUSE                                                                         \
    (256 * 1024) // bytes waiting for a WebSocket from which nothing more is read meanwhile
#define LIMIT_SOCKET_STALL_MS 10000 // a WebSocket with bytes waiting that takes none is closed
#define LIMIT_HELD_WHILE_OPENING 64 // messages that a client sends before the answer to `open`
#define LIMIT_CLAIM_MS 1000 // for the registry to say whose an address is; then it is taken as free
#define LIMIT_HELD_WHILE_CLAIMING (1024 * 1024) // bytes that a client sends meanwhile
#define LIMIT_ALLOCATION 32                     // addresses in one allocation
#define LIMIT_STATIC_FILE (4 * 1024 * 1024)     // of the page's folder, kept in memory
#define LIMIT_PROCESSES 1024                    // heard of on the bus
#define LIMIT_OPENING_RUNTIMES 4096             // runtime URLs whose opens are counted

// Conference.
#define LIMIT_ROOMS 10000
#define LIMIT_PARTICIPANTS 1000  // per room
#define LIMIT_JOIN_WAITS_MS 8000 // for a room process, placement included
#define LIMIT_COMMUNICATION                                                                        \
    (640 * 1024) // participants, printed: goes to each newcomer, in parts; 1,000 usual ones fit
#define LIMIT_RESOURCES 8            // of one participant
#define LIMIT_BATCH 64               // operations in one commit of the registry's store
#define LIMIT_ADMISSION_TRIES 3      // of one join at a room process that lives but is slow
#define LIMIT_PLACEMENT_TRIES 3      // workers that are asked for one room
#define LIMIT_ROOM_EMPTY_MS 10000    // a room that nobody joins is kept so long
#define LIMIT_SESSIONS_TOLD 100000   // to the registry, by all gateways
#define LIMIT_PRESENCES 20000        // processes whose presence is remembered
#define LIMIT_PRESENCE_LIVE_MS 5000  // silence that counts as death, while we hear ourselves
#define LIMIT_PRESENCE_FRESH_MS 3000 // of what a presence says about silent participants
#define LIMIT_HEARING_MS 2500 // without our own presence we are deaf; without theirs, others silent
#define LIMIT_SILENT_TOGETHER_MS 10000 // who has been silent for longer fell silent another time
#define LIMIT_PROBE_MS 300             // for an answer of a process whose last subscription went
#define LIMIT_HOLD_MS 30000 // after most workers fell silent together nothing is placed again
#define LIMIT_KILLS 2       // processes that a room may kill ...
#define LIMIT_KILLS_WITHIN_MS 60000 // ... within this time before it is quarantined
#define LIMIT_REPLACEMENT_PAUSE_MS                                                                 \
    10000                            // between two tries of a room that nobody can take, at most
#define LIMIT_DRAIN_MS 3600000       // longest that a process may take to end
#define LIMIT_MOVE_MS 10000          // of its drain, in which a worker moves its rooms elsewhere
#define LIMIT_SUPERSEDED_MS 3000     // a room process goes on so long for people on their way
#define LIMIT_PLACEMENTS_UNDER_WAY 8 // each starts a process, and its people come all at once
#define LIMIT_PLACEMENTS_WAITING 256 // rooms ahead of a new one: more than a join's patience holds
#define LIMIT_JOINS_UNDER_WAY 4096   // of all rooms: about a second of what the registry can take

// Domain registry.
#define LIMIT_ENTRIES 100000        // hyperties and objects of all runtimes
#define LIMIT_ENTRIES_OF_ONE 256    // of one runtime: it has some hyperties and some objects
#define LIMIT_ENTRY (8 * 1024)      // printed: descriptors are URLs, nobody's data belong here
#define LIMIT_ENTRY_EXPIRES_S 86400 // the longest lease: who is gone is not listed for ever
#define LIMIT_ENTRIES_FOUND 200     // in one answer, which goes in parts

// Media, per room process.
#define LIMIT_PEERS LIMIT_PARTICIPANTS
#define LIMIT_SSRCS_PER_PEER 32 // learned by mid and rid
#define LIMIT_SLOTS_PER_PEER 32
#define LIMIT_DATAGRAM 2048
#define LIMIT_DTLS_HELD 8 // datagrams kept while the control thread is busy with a handshake
#define LIMIT_ICE_PAIRS_PER_PEER 16
#define LIMIT_MEDIA_SILENT_MS 5000

// Bus monitor.
#define LIMIT_MONITOR_QUEUE (8 * 1024 * 1024) // bytes that wait for a slow reader of its output
#define LIMIT_MONITOR_LEARNED 4096 // sources, and addresses and traces of the room that it follows
