// SPDX-License-Identifier: MIT
// A bus in memory: implements common/bus.h inside a test's own object, so that the linker takes it
// instead of bus.o. All Bus objects share one wire; fake_pump delivers what waits, in order. Faults
// are injected by fake_fault, which is asked about every publication.
#pragma once
#include "common/bus.h"
#include "common/codec.h"
#include "common/limits.h"
#include "common/url.h"

typedef struct {
    char *topic;
    BusHandler handler;
    gpointer user;
    Bus *bus;
} FakeRoute;

typedef struct {
    BusLink on_link;
    gpointer user;
} FakeLink;

struct Bus {
    Deadlines *deadlines;
    char *process;
    guint64 sequence;
    GArray *links; // of FakeLink
};

struct BusRequest {
    gatomicrefcount references;
    Envelope *message;
    Bus *asker;
    gboolean is_answered;
};

typedef struct {
    guint64 number;
    BusAnswered answered;
    gpointer user;
} FakeOpen;

typedef struct {
    Envelope *message;
    guint64 request; // to be answered, or answered by `message`
    BusReady ready;  // or a barrier
    gpointer user;
} FakeItem;

typedef enum { FAKE_DELIVER, FAKE_LOSE, FAKE_TWICE, FAKE_LATE } FakeFate;
typedef FakeFate (*FakeFault)(const Envelope *publication);

static GPtrArray *fake_routes; // of FakeRoute
static GQueue fake_wire = G_QUEUE_INIT;
static GHashTable *fake_open; // request number -> FakeOpen
static GQueue fake_late = G_QUEUE_INIT;
static FakeFault fake_fault;
static guint64 fake_numbers;
static guint fake_requests; // put on the wire so far
static gsize fake_largest;  // bytes of the largest message so far

static void fake_note(const Envelope *envelope)
{
    g_autoptr(GBytes) packed = envelope_pack(envelope);
    fake_largest = MAX(fake_largest, g_bytes_get_size(packed));
}

static void fake_put(Envelope *message, guint64 request)
{
    FakeItem *item = g_new0(FakeItem, 1);
    item->message = message;
    item->request = request;
    fake_note(message);
    g_queue_push_tail(&fake_wire, item);
}

Bus *bus_new(const Config *config, const char *process, GError **error)
{
    (void)config, (void)error;
    Bus *bus = g_new0(Bus, 1);
    bus->process = g_strdup(process);
    bus->links = g_array_new(FALSE, FALSE, sizeof(FakeLink));
    bus->deadlines = deadlines_new();
    if (fake_routes == NULL) {
        fake_routes = g_ptr_array_new_with_free_func(g_free);
        fake_open = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    }
    return bus;
}

void bus_free(Bus *bus)
{
    if (bus == NULL)
        return;
    g_assert(bus->links->len == 0);
    g_array_unref(bus->links);
    deadlines_free(bus->deadlines);
    g_free(bus->process);
    g_free(bus);
}

Deadlines *bus_deadlines(const Bus *bus)
{
    return bus->deadlines;
}

const char *bus_process(const Bus *bus)
{
    return bus->process;
}

const char *bus_domain(const Bus *bus)
{
    (void)bus;
    return "localhost";
}

guint64 bus_incarnation(const Bus *bus)
{
    (void)bus;
    return 1;
}

gboolean bus_is_connected(const Bus *bus, gint64 *ret_since_us)
{
    (void)bus;
    if (ret_since_us != NULL)
        *ret_since_us = 0;
    return TRUE;
}

void bus_watch_link(Bus *bus, BusLink on_link, gpointer user)
{
    const FakeLink link = {on_link, user};
    g_array_append_val(bus->links, link);
}

void bus_unwatch_link(Bus *bus, BusLink on_link, gpointer user)
{
    for (guint i = bus->links->len; i-- > 0;) {
        const FakeLink *link = &g_array_index(bus->links, FakeLink, i);
        if (link->on_link == on_link && link->user == user)
            g_array_remove_index(bus->links, i);
    }
}

// All who watch this bus' link are told.
static G_GNUC_UNUSED void fake_set_link(Bus *bus, gboolean up)
{
    for (guint i = 0; i < bus->links->len; i++)
        g_array_index(bus->links, FakeLink, i)
            .on_link(up, g_array_index(bus->links, FakeLink, i).user);
}

void bus_route(Bus *bus, const char *topic, BusHandler handler, gpointer user)
{
    FakeRoute *route = g_new0(FakeRoute, 1);
    *route = (FakeRoute){g_strdup(topic), handler, user, bus};
    g_ptr_array_add(fake_routes, route);
}

void bus_unroute(Bus *bus, const char *topic, BusHandler handler, gpointer user)
{
    (void)bus;
    for (guint i = 0; i < fake_routes->len; i++) {
        FakeRoute *route = fake_routes->pdata[i];
        if (strcmp(route->topic, topic) == 0 && route->handler == handler && route->user == user) {
            g_free(route->topic);
            g_ptr_array_remove_index(fake_routes, i);
            return;
        }
    }
}

void bus_when_routed(Bus *bus, BusReady ready, gpointer user)
{
    (void)bus;
    FakeItem *item = g_new0(FakeItem, 1);
    item->ready = ready;
    item->user = user;
    g_queue_push_tail(&fake_wire, item);
}

static void fake_deliver_late(void)
{
    for (Envelope *late; (late = g_queue_pop_head(&fake_late)) != NULL;)
        fake_put(late, 0);
}

gboolean bus_publish(Bus *bus, Envelope *envelope)
{
    FakeFate fate = fake_fault != NULL ? fake_fault(envelope) : FAKE_DELIVER;
    envelope->has_sequence = TRUE;
    envelope->sequence = ++bus->sequence;
    if (fate == FAKE_TWICE)
        fake_put(envelope_copy(envelope), 0);
    if (fate == FAKE_LATE) {
        g_queue_push_tail(&fake_late, envelope);
        return TRUE;
    }
    if (fate == FAKE_LOSE)
        envelope_free(envelope);
    else
        fake_put(envelope, 0);
    if (g_queue_get_length(&fake_late) > 3)
        fake_deliver_late();
    return TRUE;
}

guint64 bus_request(Bus *bus, Envelope *envelope, guint deadline_ms, BusAnswered answered,
                    gpointer user)
{
    (void)bus, (void)deadline_ms;
    FakeOpen *open = g_new0(FakeOpen, 1);
    *open = (FakeOpen){++fake_numbers, answered, user};
    g_hash_table_insert(fake_open, &open->number, open);
    fake_requests++;
    fake_put(envelope, open->number);
    return open->number;
}

void bus_cancel(Bus *bus, guint64 request)
{
    (void)bus;
    g_hash_table_remove(fake_open, &request);
}

BusRequest *bus_request_ref(BusRequest *request)
{
    g_atomic_ref_count_inc(&request->references);
    return request;
}

void bus_request_unref(BusRequest *request)
{
    if (request == NULL || !g_atomic_ref_count_dec(&request->references))
        return;
    g_assert(request->is_answered);
    envelope_free(request->message);
    g_free(request);
}

const Envelope *bus_request_message(const BusRequest *request)
{
    return request->message;
}

static void fake_answer(BusRequest *request, const Json *body)
{
    Envelope *answer =
        envelope_new(MSG__ENVELOPE__TYPE__RESPONSE, request->message->to, request->message->from);
    envelope_set_body(answer, body);
    fake_put(answer, request->message->request);
}

void bus_answer(BusRequest *request, const Json *body)
{
    g_assert(!request->is_answered);
    request->is_answered = TRUE;
    fake_answer(request, body);
}

void bus_answer_body(BusRequest *request, const Msg__Body *body)
{
    g_autoptr(Json) json = codec_to_json(&body->base);
    bus_answer(request, json);
}

void bus_answer_provisional(BusRequest *request, const Json *body)
{
    fake_answer(request, body);
}

void bus_refuse(BusRequest *request, Refusal reason, const char *detail)
{
    (void)detail;
    g_autoptr(Json) body = json_new_object();
    json_set_number(body, "code", refusal_code(reason));
    json_set_text(body, "reason", refusal_name(reason));
    bus_answer(request, body);
}

void bus_refuse_for(BusRequest *request, Refusal reason, const char *detail, guint retry_after_s)
{
    (void)detail;
    g_autoptr(Json) body = json_new_object();
    json_set_number(body, "code", refusal_code(reason));
    json_set_text(body, "reason", refusal_name(reason));
    json_set_number(body, "retry_after", retry_after_s);
    bus_answer(request, body);
}

static void fake_no_route(const Envelope *message, guint64 number)
{
    g_autoptr(Json) body = json_new_object();
    Envelope *answer = envelope_new(MSG__ENVELOPE__TYPE__RESPONSE, message->to, message->from);
    json_set_number(body, "code", 404);
    json_set_text(body, "reason", "no_route");
    envelope_set_body(answer, body);
    fake_put(answer, number);
}

static void fake_to_asker(const Envelope *answer, guint64 number)
{
    FakeOpen *open = g_hash_table_lookup(fake_open, &number);
    if (open == NULL)
        return;
    FakeOpen call = *open;
    if (envelope_code(answer) >= 200)
        g_hash_table_remove(fake_open, &number);
    call.answered(answer, call.user);
}

static BusRequest *fake_request(const Envelope *message, guint64 number)
{
    BusRequest *request = g_new0(BusRequest, 1);
    g_atomic_ref_count_init(&request->references);
    request->message = envelope_copy(message);
    request->message->request = number;
    return request;
}

static void fake_to_routes(const Envelope *message, guint64 number)
{
    g_autofree char *topic = g_strconcat(message->to, " ", NULL);
    gboolean found = FALSE;
    for (guint i = 0; i < fake_routes->len; i++) {
        FakeRoute route = *(FakeRoute *)fake_routes->pdata[i];
        if (!g_str_has_prefix(topic, route.topic))
            continue;
        g_autoptr(BusRequest) request = number != 0 ? fake_request(message, number) : NULL;
        route.handler(message, request, route.user);
        found = TRUE;
        if (number != 0)
            return;
    }
    if (!found && number != 0)
        fake_no_route(message, number);
}

static void fake_pump(void)
{
    for (FakeItem *item; (item = g_queue_pop_head(&fake_wire)) != NULL; g_free(item)) {
        if (item->ready != NULL)
            item->ready(item->user);
        else if (item->message->type == MSG__ENVELOPE__TYPE__RESPONSE)
            fake_to_asker(item->message, item->request);
        else
            fake_to_routes(item->message, item->request);
        envelope_free(item->message);
    }
}

static gboolean fake_on_time_over(gpointer over)
{
    *(gboolean *)over = TRUE;
    return G_SOURCE_REMOVE;
}

// Runs main loop and wire until `done` says so. FALSE after 15 s.
static gboolean fake_run_until(gboolean (*done)(gpointer user), gpointer user)
{
    gboolean over = FALSE;
    guint timer = g_timeout_add(15000, fake_on_time_over, &over);
    for (fake_pump(); !over && !done(user); fake_pump())
        g_main_context_iteration(NULL, TRUE);
    if (!over)
        g_source_remove(timer);
    return !over;
}

static void fake_reset(void)
{
    fake_pump();
    fake_fault = NULL;
    fake_requests = 0;
    fake_largest = 0;
    g_queue_clear_full(&fake_late, (GDestroyNotify)envelope_free);
}
