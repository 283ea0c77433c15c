// SPDX-License-Identifier: MIT
// See client.h.
#include "gateway/client.h"

Client *client_new(const ClientWire *calls, gpointer wire)
{
    Client *client = g_new0(Client, 1);
    client->calls = calls;
    client->wire = wire;
    g_queue_init(&client->held);
    return client;
}

void client_free(Client *client)
{
    if (client == NULL)
        return;
    g_queue_clear_full(&client->held, (GDestroyNotify)text_unref);
    g_free(client);
}

void client_send(Client *client, Text *text)
{
    if (client->state != CLIENT_CLOSING)
        client->calls->send(client->wire, text);
}

void client_send_json(Client *client, const Json *json)
{
    g_autoptr(Text) text = text_from_json(json);
    client_send(client, text);
}

void client_close(Client *client, guint code, const char *reason)
{
    if (client->state == CLIENT_CLOSING)
        return;
    client->state = CLIENT_CLOSING;
    client->calls->close(client->wire, code, reason);
}
