// SPDX-License-Identifier: MIT
// What the gateway learns from answers of our own services: a 200 that carries an object makes the
// session an observer of it (a join: Communication, answering Connection, and the room's context),
// and the end of a participation takes it back. Routes stand before the answer is handed over.
#pragma once
#include "gateway/gateway.h"

typedef struct {
    char *url;
    guint64 version;
    char *chain;
} LearnedObject;

void learned_free(gpointer object);
// The objects in the body of a 200 to a request of the session's to `to` (a service of ours, or the
// /subscription of an object, ours or a client's whose changes it has routed): each is held in
// gateway->watches. Elements LearnedObject.
GPtrArray *learning_hold(Gateway *gateway, const Session *session, const char *to,
                         EnvelopeType type, const Json *body);
// The answer has been handed over: the session follows the objects from their versions on.
void learning_follow(Gateway *gateway, Session *session, const GPtrArray *objects);
// The session comes from another gateway: it goes on with an object from what was told of it.
void learning_restore(Gateway *gateway, Session *session, const Msg__Follow *follow);
void learning_release(Gateway *gateway, const GPtrArray *objects);

// For the watches: a session has seen a change, or the end, of an object.
void learning_changed(Session *session, const char *object, const SyncChange *change,
                      gpointer gateway);
void learning_gone(Session *session, const char *object, gpointer gateway);
