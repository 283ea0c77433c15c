// SPDX-License-Identifier: MIT
// The domain registry on the bus: what runtimes register (directory.h), and what is ours without
// being registered: the conference hyperty and every room. Handlers of main.c's table.
#pragma once
#include "registry/registry.h"

// create, read, update, delete at domain://registry.D.
void on_register(Service *service, const Envelope *message, BusRequest *request);
void on_discover(Service *service, const Envelope *message, BusRequest *request);
void on_entry_changed(Service *service, const Envelope *message, BusRequest *request);
void on_entry_deleted(Service *service, const Envelope *message, BusRequest *request);

// Tells who has subscribed <url>/registration (a DirectoryTold); user: the Registry.
void discovery_told(const char *url, const char *status, gpointer registry);
// What is known of a runtime's session has changed; user: the Registry.
void discovery_look_after(const char *runtime, gpointer registry);
// Whether the session's client is connected, as far as its gateway lives.
gboolean discovery_is_present(const Registry *registry, const Msg__Session *session);
// Looks after leases, and after runtimes whose gateway has fallen silent.
void discovery_tick(gpointer registry, gint64 now_us);
