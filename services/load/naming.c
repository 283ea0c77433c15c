// SPDX-License-Identifier: MIT
// See naming.h.
#include "load/naming.h"

#include <string.h>

static gboolean is_from(guint32 timestamp, guint32 from)
{
    return (gint32)(timestamp - from) >= 0;
}

// What the data says about this moment of the slot's clock; NULL: nothing (yet).
static const NamingEntry *entry_at(const Naming *naming, guint32 timestamp)
{
    for (guint i = 0; i < NAMING_KEPT && naming->told[i].number != 0; i++)
        if (is_from(timestamp, naming->told[i].from))
            return &naming->told[i];
    return NULL;
}

static gboolean is_told(const Naming *naming, guint32 number)
{
    for (guint i = 0; i < NAMING_KEPT; i++)
        if (naming->told[i].number == number)
            return TRUE;
    return FALSE;
}

void naming_told(Naming *naming, const NamingEntry *entry)
{
    naming->is_empty = entry == NULL;
    naming->is_new = FALSE;
    if (entry == NULL || memcmp(entry, &naming->told[0], sizeof(*entry)) == 0)
        return;
    memmove(&naming->told[1], &naming->told[0], sizeof(naming->told) - sizeof(naming->told[0]));
    naming->told[0] = *entry;
    if (naming->odd_since_us == 0 || entry->number != naming->csrc)
        return;
    // In hindsight: did it begin when the data says?
    naming->wrong += !is_from(naming->first_timestamp, entry->from);
    naming->odd_since_us = 0;
}

static void begin(Naming *naming, const NamingPacket *packet)
{
    naming->csrc = packet->csrc;
    naming->first_timestamp = packet->timestamp;
    naming->is_new = TRUE;
    naming->odd_since_us = 0;
}

static void wait_for_data(Naming *naming, gint64 now_us)
{
    if (naming->odd_since_us == 0)
        naming->odd_since_us = now_us;
    else
        naming->wrong += now_us - naming->odd_since_us > NAMING_GRACE_US;
}

// The data has said whose this is, and it is somebody else's.
static gboolean is_known_to_be_wrong(const Naming *naming, guint32 csrc)
{
    return !naming->is_empty &&
           (csrc == naming->told[0].number || (!naming->is_new && is_told(naming, csrc)));
}

void naming_packet(Naming *naming, const NamingPacket *packet)
{
    if (packet->csrc != naming->csrc)
        begin(naming, packet);
    const NamingEntry *entry = entry_at(naming, packet->timestamp);
    if (entry != NULL && entry->number == packet->csrc && !naming->is_empty) {
        naming->odd_since_us = 0;
        naming->wrong += entry->label != 0 && entry->label != packet->label;
    } else if (is_known_to_be_wrong(naming, packet->csrc)) {
        naming->wrong++;
    } else {
        wait_for_data(naming, packet->now_us);
    }
}

guint32 naming_number(const Naming *naming)
{
    return naming->is_empty ? 0 : naming->told[0].number;
}
