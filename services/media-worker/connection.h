// SPDX-License-Identifier: MIT
// One participant's signalling in a room process: our Connection object (answer, ICE and DTLS
// state, what each slot carries), which we report; the client's (whom it watches), which we
// observe; and the DTLS handshake between the two.
//
// A Connection stays over a new offer of the same participant: its versions go on, while the
// member, the handshake and the view of the client's object start anew.
#pragma once
#include "common/refusal.h"
#include "common/sync_observer.h"
#include "common/sync_reporter.h"
#include "media-worker/handshake.h"
#include "media-worker/members.h"
#include "media-worker/sdp.h"

typedef struct Connection Connection;

// What all connections of a room share; borrowed, outlives them.
typedef struct {
    Bus *bus;
    Media *media;
    Members *members;
    DtlsContext *dtls;
    char *address; // hyperty://D/media/<id>, the reporter
    guint64 epoch;
    void (*on_wishes)(gpointer user); // slots may have to be given out anew
    gpointer user;
} ConnectionHome;

// A client's offer, checked but for its SDP. Borrowed.
typedef struct {
    const char *participant;
    guint32 number;
    const char *url; // of the client's Connection
    guint64 version; // of the same
    const char *sdp;
    const Json *watch; // may be NULL
} ConnectionOffer;

// From the value of an AdmitRequest; FALSE if it is no Connection of that participant.
gboolean connection_read_offer(const char *participant, const Json *value,
                               ConnectionOffer *ret_offer);

Connection *connection_new(const ConnectionHome *home, const ConnectionOffer *offer);
void connection_free(Connection *connection); // the member goes too; nothing is published
// Lets the participant in, or in again: takes what of `answer` it needs.
void connection_admit(Connection *connection, const ConnectionOffer *offer, SdpAnswer *answer);
// Whether this very offer has been answered already.
gboolean connection_has_answered(const Connection *connection, const ConnectionOffer *offer);
// msg.Object of our side; the caller's.
Json *connection_json(const Connection *connection);
// The participant is gone: tells the observers.
void connection_end(Connection *connection);
// Says nothing of it and hears nothing of it any more: the room's next process does. Its media go
// on.
void connection_retire(Connection *connection);

Member *connection_member(const Connection *connection);
void connection_on_media(Connection *connection, const MediaEvent *event); // DTLS, ICE, SLOT
// The peer's media flows.
void connection_on_heard(Connection *connection);
// Looks for the client's object again if its gateway was not to be found.
void connection_observe(Connection *connection);
