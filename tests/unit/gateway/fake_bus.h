// SPDX-License-Identifier: MIT
// A bus of the test's own: takes the place of common/bus.c when the test is linked (it defines
// every function of bus.h, so the archive's are not taken). It remembers what was routed, published
// and asked, and delivers what the test says. Included once, by the test's only file.
#pragma once
#include <string.h>

#include "common/bus.h"
#include "common/url.h"

typedef struct {
    char *topic;
    BusHandler handler;
    gpointer user;
} FakeRoute;

typedef struct {
    Envelope *message;
    BusAnswered answered;
    gpointer user;
    guint64 number;
} FakeAsked;

struct Bus {
    Deadlines *deadlines;
    GPtrArray *routes;    // FakeRoute
    GPtrArray *published; // Envelope
    GPtrArray *asked;     // FakeAsked, open ones
    GPtrArray *ready;     // BusReady and user, in turn
    guint64 last;
    gboolean connected;
};

struct BusRequest {
    guint references;
    Envelope *message;
    Json *answer; // final
    guint provisional;
    gboolean acknowledged;
};

static void fake_route_free(gpointer data)
{
    g_free(((FakeRoute *)data)->topic);
    g_free(data);
}

static void fake_asked_free(gpointer data)
{
    envelope_free(((FakeAsked *)data)->message);
    g_free(data);
}

static Bus *fake_bus_new(void)
{
    Bus *bus = g_new0(Bus, 1);
    bus->routes = g_ptr_array_new_with_free_func(fake_route_free);
    bus->published = g_ptr_array_new_with_free_func((GDestroyNotify)envelope_free);
    bus->asked = g_ptr_array_new_with_free_func(fake_asked_free);
    bus->ready = g_ptr_array_new();
    bus->deadlines = deadlines_new();
    bus->connected = TRUE;
    return bus;
}

void bus_free(Bus *bus)
{
    g_ptr_array_unref(bus->routes);
    g_ptr_array_unref(bus->published);
    g_ptr_array_unref(bus->asked);
    g_ptr_array_unref(bus->ready);
    deadlines_free(bus->deadlines);
    g_free(bus);
}

Deadlines *bus_deadlines(const Bus *bus)
{
    return bus->deadlines;
}

const char *bus_process(const Bus *bus)
{
    (void)bus;
    return "gateway-00000001";
}

const char *bus_domain(const Bus *bus)
{
    (void)bus;
    return "d";
}

guint64 bus_incarnation(const Bus *bus)
{
    (void)bus;
    return 1;
}

gboolean bus_is_connected(const Bus *bus, gint64 *ret_since_us)
{
    (void)ret_since_us;
    return bus->connected;
}

void bus_watch_link(Bus *bus, BusLink on_link, gpointer user)
{
    (void)bus, (void)on_link, (void)user;
}

void bus_unwatch_link(Bus *bus, BusLink on_link, gpointer user)
{
    (void)bus, (void)on_link, (void)user;
}

void bus_route(Bus *bus, const char *topic, BusHandler handler, gpointer user)
{
    FakeRoute *route = g_new(FakeRoute, 1);
    *route = (FakeRoute){g_strdup(topic), handler, user};
    g_ptr_array_add(bus->routes, route);
}

static gboolean fake_is_routed(const Bus *bus, const char *topic)
{
    for (guint i = 0; i < bus->routes->len; i++)
        if (strcmp(((FakeRoute *)bus->routes->pdata[i])->topic, topic) == 0)
            return TRUE;
    return FALSE;
}

void bus_unroute(Bus *bus, const char *topic, BusHandler handler, gpointer user)
{
    for (guint i = 0; i < bus->routes->len; i++) {
        const FakeRoute *route = bus->routes->pdata[i];
        if (strcmp(route->topic, topic) == 0 && route->handler == handler && route->user == user) {
            g_ptr_array_remove_index(bus->routes, i);
            return;
        }
    }
}

void bus_when_routed(Bus *bus, BusReady ready, gpointer user)
{
    g_ptr_array_add(bus->ready, (gpointer)ready);
    g_ptr_array_add(bus->ready, user);
}

// The barrier has come back.
static void fake_routed(Bus *bus)
{
    g_autoptr(GPtrArray) due = bus->ready;
    bus->ready = g_ptr_array_new();
    for (guint i = 0; i < due->len; i += 2)
        ((BusReady)due->pdata[i])(due->pdata[i + 1]);
}

gboolean bus_publish(Bus *bus, Envelope *envelope)
{
    g_ptr_array_add(bus->published, envelope);
    return TRUE;
}

guint64 bus_request(Bus *bus, Envelope *envelope, guint deadline_ms, BusAnswered answered,
                    gpointer user)
{
    FakeAsked *asked = g_new(FakeAsked, 1);
    (void)deadline_ms;
    *asked = (FakeAsked){envelope, answered, user, ++bus->last};
    g_ptr_array_add(bus->asked, asked);
    return asked->number;
}

void bus_cancel(Bus *bus, guint64 request)
{
    for (guint i = 0; i < bus->asked->len; i++)
        if (((FakeAsked *)bus->asked->pdata[i])->number == request) {
            g_ptr_array_remove_index(bus->asked, i);
            return;
        }
}

// The oldest open request to this address; NULL if there is none.
static const FakeAsked *fake_find(const Bus *bus, const char *to)
{
    for (guint i = 0; i < bus->asked->len; i++) {
        const FakeAsked *asked = bus->asked->pdata[i];
        if (strcmp(asked->message->to, to) == 0)
            return asked;
    }
    return NULL;
}

// Answers it; body: JSON text. FALSE if nobody asked there.
static gboolean fake_answer(Bus *bus, const char *to, const char *body)
{
    const FakeAsked *asked = fake_find(bus, to);
    if (asked == NULL)
        return FALSE;
    g_autoptr(Json) json = json_parse_bytes((const guint8 *)body, strlen(body));
    g_assert(json != NULL);
    g_autoptr(Envelope) answer =
        envelope_new(MSG__ENVELOPE__TYPE__RESPONSE, to, asked->message->from);
    envelope_set_body(answer, json);
    BusAnswered answered = asked->answered;
    gpointer user = asked->user;
    if (envelope_code(answer) >= 200)
        bus_cancel(bus, asked->number);
    answered(answer, user);
    return TRUE;
}

static gboolean fake_fits(const char *topic, const char *to)
{
    g_autofree char *exact = g_strconcat(to, " ", NULL);
    return g_str_has_prefix(exact, topic);
}

BusRequest *bus_request_ref(BusRequest *request)
{
    request->references++;
    return request;
}

void bus_request_unref(BusRequest *request)
{
    if (--request->references > 0)
        return;
    envelope_free(request->message);
    json_unref(request->answer);
    g_free(request);
}

const Envelope *bus_request_message(const BusRequest *request)
{
    return request->message;
}

void bus_answer(BusRequest *request, const Json *body)
{
    g_assert(request->answer == NULL);
    request->answer = json_ref((Json *)body);
}

void bus_answer_body(BusRequest *request, const Msg__Body *body)
{
    g_autoptr(Envelope) holder = envelope_new(MSG__ENVELOPE__TYPE__RESPONSE, "a:/b", "a:/b");
    holder->body = (Msg__Body *)body;
    request->answer = envelope_body_json(holder);
    holder->body = NULL;
}

void bus_answer_provisional(BusRequest *request, const Json *body)
{
    (void)body;
    request->provisional++;
}

void bus_acknowledge(BusRequest *request)
{
    request->acknowledged = TRUE;
}

void bus_refuse(BusRequest *request, Refusal reason, const char *detail)
{
    g_autoptr(Json) body = json_new_object();
    json_set_number(body, "code", refusal_code(reason));
    json_set_text(body, "reason", refusal_name(reason));
    json_set_text(body, "desc", detail);
    bus_answer(request, body);
}

// A message has come over the bus: taken. The request (the caller's) if it is one; NULL else.
static BusRequest *fake_deliver(Bus *bus, Envelope *message)
{
    g_autoptr(GPtrArray) called = g_ptr_array_new();
    BusRequest *request = g_new0(BusRequest, 1);
    request->references = 1;
    request->message = message;
    gboolean asks = envelope_is_request(message);
    for (guint i = 0; i < bus->routes->len; i++) {
        const FakeRoute *route = bus->routes->pdata[i];
        if (!fake_fits(route->topic, message->to) || g_ptr_array_find(called, route->user, NULL))
            continue;
        g_ptr_array_add(called, route->user);
        route->handler(message, asks ? request : NULL, route->user);
    }
    if (asks)
        return request;
    bus_request_unref(request);
    return NULL;
}

// The same from JSON text.
static BusRequest *fake_deliver_text(Bus *bus, const char *text)
{
    g_autoptr(Json) json = json_parse_bytes((const guint8 *)text, strlen(text));
    Envelope *message = envelope_from_json(json, NULL);
    g_assert(message != NULL);
    envelope_set(&message->source, "test-00000001");
    return fake_deliver(bus, message);
}
