// SPDX-License-Identifier: MIT
// See roomsink.h. A pointer into a buffer stays good after it was unmapped, as long as somebody
// holds the buffer: it is system memory, and what is held by two cannot be written to or replaced.
#include "media-worker/roomsink.h"
#include "media-worker/forward.h"
#include <stdio.h>

typedef struct {
    GstElement parent;
    Streaming *streaming;
} RoomSink;
typedef struct {
    GstElementClass parent_class;
} RoomSinkClass;

G_DEFINE_TYPE(RoomSink, room_sink, GST_TYPE_ELEMENT) // NOLINT(readability-function-size)

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink_%u_%u", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS("application/x-rtp"));

static gboolean read_buffer(ForwardPacket *packet, PeerSource *source, GstBuffer *buffer,
                            gint64 now_us)
{
    GstMapInfo map;
    if (gst_buffer_n_memory(buffer) != 1 || !gst_buffer_map(buffer, &map, GST_MAP_READ))
        return FALSE; // packets in pieces come from payloaders, with mixing
    ForwardInput input = {.data = map.data,
                          .length = map.size,
                          .reference = buffer,
                          .server_us = GST_BUFFER_OFFSET_IS_VALID(buffer)
                                           ? (gint64)GST_BUFFER_OFFSET(buffer)
                                           : now_us,
                          .restart = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT)};
    gboolean readable = forward_read(packet, source, &input);
    gst_buffer_unmap(buffer, &map);
    return readable;
}

static GstFlowReturn chain_list(GstPad *pad, GstObject *parent, GstBufferList *list)
{
    Hub *hub = streaming_hub(((RoomSink *)parent)->streaming);
    PeerSource *source = gst_pad_get_element_private(pad);
    ForwardPacket packets[FORWARD_BATCH];
    guint length = gst_buffer_list_length(list);
    for (guint at = 0; at < length;) {
        guint n = 0;
        for (; at < length && n < FORWARD_BATCH; at++)
            n += read_buffer(&packets[n], source, gst_buffer_list_get(list, at), hub->now_us);
        forward_packets(hub, source, packets, n);
    }
    gst_buffer_list_unref(list);
    return GST_FLOW_OK;
}

static GstFlowReturn chain(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
    GstBufferList *list = gst_buffer_list_new_sized(1);
    gst_buffer_list_add(list, buffer);
    return chain_list(pad, parent, list);
}

// The source that a pad's name stands for.
static PeerSource *find_source(RoomSink *self, const char *name)
{
    guint handle, index;
    if (name == NULL || sscanf(name, "sink_%u_%u", &handle, &index) != 2)
        return NULL;
    Peer *peer = peers_find(streaming_hub(self->streaming)->peers, handle);
    return peer == NULL || index >= peer->description->n_sources ? NULL : &peer->sources[index];
}

static GstPad *request_new_pad(GstElement *element, GstPadTemplate *template, const char *name,
                               const GstCaps *caps)
{
    PeerSource *source = find_source((RoomSink *)element, name);
    (void)caps;
    if (source == NULL)
        return NULL;
    GstPad *pad = gst_pad_new_from_template(template, name);
    gst_pad_set_element_private(pad, source);
    gst_pad_set_chain_function(pad, chain);
    gst_pad_set_chain_list_function(pad, chain_list);
    gst_pad_set_active(pad, TRUE);
    gst_element_add_pad(element, pad);
    return pad;
}

static void release_pad(GstElement *element, GstPad *pad)
{
    gst_pad_set_active(pad, FALSE);
    gst_element_remove_pad(element, pad);
}

static gpointer hold(gpointer buffer)
{
    return gst_buffer_ref(buffer);
}

static void release(gpointer buffer)
{
    gst_buffer_unref(buffer);
}

static GstStateChangeReturn change_state(GstElement *element, GstStateChange transition)
{
    RoomSink *self = (RoomSink *)element;
    if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
        if (self->streaming == NULL)
            return GST_STATE_CHANGE_FAILURE;
        streaming_hub(self->streaming)->memory = (HubMemory){hold, release};
    }
    return GST_ELEMENT_CLASS(room_sink_parent_class)->change_state(element, transition);
}

static void room_sink_class_init(RoomSinkClass *class)
{
    GstElementClass *element_class = GST_ELEMENT_CLASS(class);
    element_class->change_state = change_state;
    element_class->request_new_pad = request_new_pad;
    element_class->release_pad = release_pad;
    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_set_static_metadata(element_class, "Room sink", "Sink/Network",
                                          "Sends RTP to those who carry it in a slot", "Parley");
}

static void room_sink_init(RoomSink *self)
{
    GST_OBJECT_FLAG_SET(self, GST_ELEMENT_FLAG_SINK);
}

GstElement *room_sink_new(Streaming *streaming)
{
    RoomSink *self = g_object_new(room_sink_get_type(), NULL);
    self->streaming = streaming;
    return GST_ELEMENT(self);
}
