// SPDX-License-Identifier: MIT
// See roomsrc.h. Buffers of a read are taken from the pool beforehand and stay mapped for writing
// until their datagram turns out to be media; all others are read into again.
#include "media-worker/roomsrc.h"
#include "media-worker/ingest.h"

#define READS_MAX 8 // before all that was read is passed on
#define POOL_MIN 64

// A source's pad, and what this read holds for it.
typedef struct {
    GstPad *pad;
    GstBufferList *list;
} Port;

typedef struct {
    GstElement parent;
    Streaming *streaming;
    GstTask *task;
    GRecMutex lock; // the task's
    GstBufferPool *pool;
    GstSegment segment;
    TransportDatagram batch[TRANSPORT_BATCH];
    GstBuffer *buffers[TRANSPORT_BATCH];
    GstMapInfo maps[TRANSPORT_BATCH];
    GPtrArray *touched;   // ports with a list
    gint64 to_running_us; // running time - monotonic time
} RoomSrc;
typedef struct {
    GstElementClass parent_class;
} RoomSrcClass;

G_DEFINE_TYPE(RoomSrc, room_src, GST_TYPE_ELEMENT) // NOLINT(readability-function-size)

static GstStaticPadTemplate source_template = GST_STATIC_PAD_TEMPLATE(
    "src_%u_%u", GST_PAD_SRC, GST_PAD_SOMETIMES, GST_STATIC_CAPS("application/x-rtp"));

// --- pads ----------------------------------------------------------------------------------------
static gboolean on_query(GstPad *pad, GstObject *parent, GstQuery *query)
{
    if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY)
        return gst_pad_query_default(pad, parent, query);
    gst_query_set_latency(query, TRUE, 0, GST_CLOCK_TIME_NONE);
    return TRUE;
}

static GstCaps *caps_of(const PeerSource *source)
{
    const MediaSource *description = source->description;
    gboolean audio = description->kind == MEDIA_AUDIO;
    return gst_caps_new_simple("application/x-rtp", "media", G_TYPE_STRING,
                               audio ? "audio" : "video", "encoding-name", G_TYPE_STRING,
                               audio ? "OPUS" : "VP8", "clock-rate", G_TYPE_INT,
                               (gint)description->clock_rate, "payload", G_TYPE_INT,
                               (gint)description->payload_type, NULL);
}

static void push_first_events(RoomSrc *self, GstPad *pad, const PeerSource *source)
{
    g_autofree char *id = gst_pad_create_stream_id(pad, GST_ELEMENT(self), GST_PAD_NAME(pad));
    g_autoptr(GstCaps) caps = caps_of(source);
    gst_pad_push_event(pad, gst_event_new_stream_start(id));
    gst_pad_push_event(pad, gst_event_new_caps(caps));
    gst_pad_push_event(pad, gst_event_new_segment(&self->segment));
}

static Port *port_of(RoomSrc *self, PeerSource *source)
{
    if (source->port != NULL)
        return source->port;
    Port *port = g_new0(Port, 1);
    g_autofree char *name = g_strdup_printf("src_%u_%u", source->peer->handle, source->index);
    port->pad = gst_pad_new_from_static_template(&source_template, name);
    gst_pad_set_query_function(port->pad, on_query);
    gst_pad_use_fixed_caps(port->pad);
    gst_pad_set_active(port->pad, TRUE);
    source->port = port;
    gst_element_add_pad(GST_ELEMENT(self), port->pad); // whoever listens links it
    push_first_events(self, port->pad, source);
    return port;
}

static void on_source_gone(PeerSource *source, gpointer user)
{
    Port *port = g_steal_pointer(&source->port);
    if (port == NULL)
        return;
    gst_pad_set_active(port->pad, FALSE);
    gst_element_remove_pad(GST_ELEMENT(user), port->pad);
    g_free(port);
}

// --- reading -------------------------------------------------------------------------------------
static void provide_buffer(RoomSrc *self, guint index)
{
    if (self->buffers[index] != NULL)
        return;
    g_assert(gst_buffer_pool_acquire_buffer(self->pool, &self->buffers[index], NULL) ==
             GST_FLOW_OK);
    g_assert(gst_buffer_map(self->buffers[index], &self->maps[index], GST_MAP_WRITE));
    self->batch[index].data = self->maps[index].data;
}

static GstBuffer *take_buffer(RoomSrc *self, guint index, const IngestPacket *packet)
{
    GstBuffer *buffer = g_steal_pointer(&self->buffers[index]);
    gssize offset = packet->data - self->maps[index].data;
    gst_buffer_unmap(buffer, &self->maps[index]);
    gst_buffer_resize(buffer, offset, (gssize)packet->length);
    gint64 running_us = self->batch[index].arrival_us + self->to_running_us;
    GST_BUFFER_PTS(buffer) = (GstClockTime)MAX(running_us, 0) * 1000;
    GST_BUFFER_OFFSET(buffer) = (guint64)packet->server_us;
    if (packet->restart)
        GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
    return buffer;
}

static void take_datagram(RoomSrc *self, guint index)
{
    IngestPacket packet;
    if (!ingest_datagram(streaming_hub(self->streaming), &self->batch[index], &packet))
        return;
    Port *port = port_of(self, packet.source);
    if (port->list == NULL) {
        port->list = gst_buffer_list_new();
        g_ptr_array_add(self->touched, port);
    }
    gst_buffer_list_add(port->list, take_buffer(self, index, &packet));
}

static void push_lists(RoomSrc *self)
{
    for (guint i = 0; i < self->touched->len; i++) {
        Port *port = g_ptr_array_index(self->touched, i);
        gst_pad_push_list(port->pad, g_steal_pointer(&port->list));
    }
    g_ptr_array_set_size(self->touched, 0);
}

static guint read_once(RoomSrc *self)
{
    for (guint i = 0; i < TRANSPORT_BATCH; i++)
        provide_buffer(self, i);
    guint n = streaming_read(self->streaming, self->batch);
    if (streaming_is_commanded(self->streaming)) {
        push_lists(self);
        streaming_carry_out(self->streaming);
    }
    for (guint i = 0; i < n; i++)
        take_datagram(self, i);
    return n;
}

// Reads until nothing is left, and only then passes on: a frame's packets arrive while the first of
// them is being decrypted, and what is forwarded together is sent together.
static void loop(gpointer user)
{
    RoomSrc *self = user;
    streaming_wait(self->streaming);
    for (guint reads = 0; reads < READS_MAX && read_once(self) > 0; reads++)
        ;
    push_lists(self);
    streaming_finish(self->streaming);
}

// --- life ----------------------------------------------------------------------------------------
static gboolean open_pool(RoomSrc *self)
{
    self->pool = gst_buffer_pool_new();
    GstStructure *config = gst_buffer_pool_get_config(self->pool);
    gst_buffer_pool_config_set_params(config, NULL, TRANSPORT_DATAGRAM, POOL_MIN, 0);
    return gst_buffer_pool_set_config(self->pool, config) &&
           gst_buffer_pool_set_active(self->pool, TRUE);
}

static void close_pool(RoomSrc *self)
{
    for (guint i = 0; i < TRANSPORT_BATCH; i++) {
        if (self->buffers[i] == NULL)
            continue;
        gst_buffer_unmap(self->buffers[i], &self->maps[i]);
        gst_clear_buffer(&self->buffers[i]);
    }
    gst_buffer_pool_set_active(self->pool, FALSE);
    gst_clear_object(&self->pool);
}

static void start(RoomSrc *self)
{
    g_autoptr(GstClock) clock = gst_element_get_clock(GST_ELEMENT(self));
    gint64 running_us = 0;
    if (clock != NULL)
        running_us =
            (gint64)((gst_clock_get_time(clock) - gst_element_get_base_time(GST_ELEMENT(self))) /
                     1000);
    self->to_running_us = running_us - g_get_monotonic_time();
    Hub *hub = streaming_hub(self->streaming);
    hub->source_gone = on_source_gone;
    hub->source_gone_user = self;
    gst_task_start(self->task);
}

static void stop(RoomSrc *self)
{
    gst_task_stop(self->task);
    streaming_wake(self->streaming);
    gst_task_join(self->task);
    // From here on the calling thread is the streaming thread, as far as peers are concerned.
}

static GstStateChangeReturn change_state(GstElement *element, GstStateChange transition)
{
    RoomSrc *self = (RoomSrc *)element;
    if (transition == GST_STATE_CHANGE_READY_TO_PAUSED &&
        (self->streaming == NULL || !open_pool(self)))
        return GST_STATE_CHANGE_FAILURE;
    if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED)
        stop(self);
    GstStateChangeReturn result =
        GST_ELEMENT_CLASS(room_src_parent_class)->change_state(element, transition);
    if (result == GST_STATE_CHANGE_FAILURE)
        return result;
    if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING)
        start(self);
    if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
        close_pool(self);
    // Live: nothing to show before PLAYING.
    gboolean paused = transition == GST_STATE_CHANGE_READY_TO_PAUSED ||
                      transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED;
    return paused ? GST_STATE_CHANGE_NO_PREROLL : result;
}

static void finalize(GObject *object)
{
    RoomSrc *self = (RoomSrc *)object;
    gst_object_unref(self->task);
    g_ptr_array_unref(self->touched);
    g_rec_mutex_clear(&self->lock);
    G_OBJECT_CLASS(room_src_parent_class)->finalize(object);
}

static void room_src_class_init(RoomSrcClass *class)
{
    GstElementClass *element_class = GST_ELEMENT_CLASS(class);
    G_OBJECT_CLASS(class)->finalize = finalize;
    element_class->change_state = change_state;
    gst_element_class_add_static_pad_template(element_class, &source_template);
    gst_element_class_set_static_metadata(element_class, "Room source", "Source/Network",
                                          "RTP of all participants of a room", "Parley");
}

static void room_src_init(RoomSrc *self)
{
    GST_OBJECT_FLAG_SET(self, GST_ELEMENT_FLAG_SOURCE);
    g_rec_mutex_init(&self->lock);
    self->task = gst_task_new(loop, self, NULL);
    gst_task_set_lock(self->task, &self->lock);
    self->touched = g_ptr_array_new();
    gst_segment_init(&self->segment, GST_FORMAT_TIME);
}

GstElement *room_src_new(Streaming *streaming)
{
    RoomSrc *self = g_object_new(room_src_get_type(), NULL);
    self->streaming = streaming;
    return GST_ELEMENT(self);
}
