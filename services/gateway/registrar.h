// SPDX-License-Identifier: MIT
// Tells the registry of this gateway's sessions (hyperty://D/sessions): who is there, under which
// addresses, connected or not. So a session can go on at another gateway, and somebody decides when
// a participant is lost. What changes while the registry is away is told when it is heard again.
#pragma once
#include "common/bus.h"
#include "gateway/sessions.h"

typedef struct Registrar Registrar;

Registrar *registrar_new(Bus *bus);
void registrar_free(Registrar *registrar);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Registrar, registrar_free)

// The session is new, or anything of it has changed.
void registrar_tell(Registrar *registrar, const Session *session);
void registrar_ended(Registrar *registrar, const Session *session);
// The session has gone to another gateway: says nothing more of it.
void registrar_moved(Registrar *registrar, const Session *session);
// A registry was heard; anew: it knows nothing of us.
void registrar_heard(Registrar *registrar, gboolean anew);

// Whether a registry was heard lately: else questions would only wait for their deadline.
gboolean registrar_can_be_asked(const Registrar *registrar);
// Asks for a session that another gateway has or had, by its id or by an address that it owns.
// found: NULL if it is not known, or nobody answers.
typedef void (*RegistrarFound)(const Msg__Session *found, gpointer user);
// The key is for bus_cancel.
guint64 registrar_find(Registrar *registrar, const char *resource, RegistrarFound on_found,
                       gpointer user);
