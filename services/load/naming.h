// SPDX-License-Identifier: MIT
// Is what comes in a slot from whom the room's data says? Packets carry their sender's number
// (CSRC), the slot's data says number and first timestamp; the two come by different ways, so
// either may be first. Plain data, no clock.
//
// Wrong are: a packet that the data gives to somebody else (also told in hindsight), one whose
// payload is of another sender than the data's participant, and one about which the data has said
// nothing for NAMING_GRACE_US.
#pragma once
#include <glib.h>

#define NAMING_GRACE_US 2000000
#define NAMING_KEPT 4

typedef struct {
    guint32 number; // 0: nothing is told here
    guint32 from;   // first RTP timestamp
    guint32 label;  // in the sender's payloads; 0: no client of ours
} NamingEntry;

typedef struct {
    NamingEntry told[NAMING_KEPT]; // the newest first; empty slots are not kept
    gboolean is_empty;             // the slot is, says the data
    guint32 csrc, first_timestamp; // of the source that comes
    gboolean is_new;               // it came after the data's last word
    gint64 odd_since_us;           // since when the data does not know what comes; 0: it does
    guint wrong;
} Naming;

// What the data says from now on. entry NULL: the slot is empty.
void naming_told(Naming *naming, const NamingEntry *entry);
// The newest packet of the slot.
typedef struct {
    guint32 csrc, timestamp, label;
    gint64 now_us;
} NamingPacket;
void naming_packet(Naming *naming, const NamingPacket *packet);
// The number that the data gives the slot now; 0: empty.
guint32 naming_number(const Naming *naming);
