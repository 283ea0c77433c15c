// SPDX-License-Identifier: MIT
// See graph.h. The registry of plugins is not read: both elements are ours, and it costs a room
// process two megabytes and its first milliseconds.
#include "media-worker/graph.h"
#include "media-worker/roomsink.h"
#include "media-worker/roomsrc.h"
#include <gio/gio.h>

struct Graph {
    Streaming *streaming;
    GstElement *pipeline, *source, *sink; // the pipeline owns the others
};

static gboolean start_gstreamer(GError **error)
{
    if (!gst_is_initialized()) {
        g_setenv("GST_REGISTRY_DISABLE", "yes", FALSE);
        if (!gst_init_check(NULL, NULL, error))
            return FALSE;
    }
    return gst_element_register(NULL, "roomsrc", GST_RANK_NONE, room_src_get_type()) &&
           gst_element_register(NULL, "roomsink", GST_RANK_NONE, room_sink_get_type());
}

// A source's pad "src_P_I" goes to the sink's "sink_P_I".
static char *sink_pad_name(GstPad *pad)
{
    return g_strdup_printf("sink_%s", GST_PAD_NAME(pad) + strlen("src_"));
}

static void on_pad_added(GstElement *source, GstPad *pad, gpointer user)
{
    Graph *graph = user;
    (void)source;
    g_autofree char *name = sink_pad_name(pad);
    g_autoptr(GstPad) sink_pad = gst_element_request_pad_simple(graph->sink, name);
    g_assert(sink_pad != NULL && gst_pad_link(pad, sink_pad) == GST_PAD_LINK_OK);
}

static void on_pad_removed(GstElement *source, GstPad *pad, gpointer user)
{
    Graph *graph = user;
    (void)source;
    g_autofree char *name = sink_pad_name(pad);
    g_autoptr(GstPad) sink_pad = gst_element_get_static_pad(graph->sink, name);
    if (sink_pad != NULL)
        gst_element_release_request_pad(graph->sink, sink_pad);
}

Graph *graph_new(Streaming *streaming, GError **error)
{
    if (!start_gstreamer(error))
        return NULL;
    Graph *graph = g_new0(Graph, 1);
    graph->streaming = streaming;
    graph->pipeline = gst_pipeline_new("room");
    graph->source = room_src_new(streaming);
    graph->sink = room_sink_new(streaming);
    gst_bin_add_many(GST_BIN(graph->pipeline), graph->source, graph->sink, NULL);
    g_signal_connect(graph->source, "pad-added", G_CALLBACK(on_pad_added), graph);
    g_signal_connect(graph->source, "pad-removed", G_CALLBACK(on_pad_removed), graph);
    if (gst_element_set_state(graph->pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "the media graph does not start");
        graph_free(graph);
        return NULL;
    }
    return graph;
}

void graph_free(Graph *graph)
{
    if (graph == NULL)
        return;
    gst_element_set_state(graph->pipeline, GST_STATE_PAUSED);
    streaming_remove_all(graph->streaming); // their pads go while their elements live
    gst_element_set_state(graph->pipeline, GST_STATE_NULL);
    gst_object_unref(graph->pipeline);
    g_free(graph);
}
