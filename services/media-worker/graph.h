// SPDX-License-Identifier: MIT
// The room's GstPipeline: roomsrc and roomsink around one transport, and between them, for each
// source, a link. Forwarding is this graph with nothing in between; mixing puts elements there.
// Pads come when a source is first heard and go with its peer, made and linked on the streaming
// thread. The control thread starts and stops it.
#pragma once
#include "media-worker/streaming.h"

typedef struct Graph Graph;
// Starts it. Borrows streaming.
Graph *graph_new(Streaming *streaming, GError **error);
// Ends and joins the streaming thread.
void graph_free(Graph *graph);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Graph, graph_free)
