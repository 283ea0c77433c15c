// SPDX-License-Identifier: MIT
// What it costs to forward a packet: one room's streaming thread in this process, all senders and
// receivers in a child that checks what arrives. Prints lines `name value unit`.
//
// Method: each sender sends 100 packets/s of 1,200 bytes ("video", bursts of 4 each 40 ms, random
// phase; --paced: evenly) and 50 packets/s of 160 bytes ("audio"); every receiver gets all of them,
// with everything that Chromium negotiates on a slot. CPU (user + system) of this process over five
// seconds after warm-up, divided by the packets forwarded meanwhile; on loopback that charges the
// receivers' UDP input to us. Checked: every packet forwarded arrives, in order, on its slot's
// SSRC, and one receiver in 25 decrypts all of it. Delay is from the sender's send to that
// receiver's read.
//
// usage: forward [--paced] [SENDERS:RECEIVERS ...]   default 1:50 10:20
#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "media-worker/media.h"
#include "media-worker/rtcp.h"
#include "media-worker/rtp.h"
#include "media-worker/stun.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define WARM_UP_S 2
#define MEASURE_S 5
#define AFTER_S 1
#define VIDEO_PAYLOAD 1188
#define AUDIO_PAYLOAD 148
#define BURST 4
#define CHECKED_EVERY 25 // receivers
#define DELAYS_MAX 2000000
#define MAX_SLOTS (2 * (LIMIT_SLOTS_PER_PEER / 2))

static const MediaExtensions extensions = {
    .mid = 1, .audio_level = 2, .abs_send_time = 3, .transport_cc = 4};
static const char password[] = "a-password-of-22-chars";

typedef struct {
    guint senders, receivers;
    gboolean paced;
} Load;

// What the child tells at the end.
typedef struct {
    guint64 received, unordered, broken;
    gint64 p50_us, p99_us;
} Told;

// Both sides know a peer's numbers from its own: 1 to senders, then receivers.
static guint32 source_ssrc(guint32 peer, MediaKind kind)
{
    return peer * 100 + kind + 1;
}
static guint32 slot_ssrc(guint32 peer, guint slot)
{
    return 1000000 + peer * 100 + slot;
}

static SrtpKeys keys_of(guint32 peer, gboolean as_room)
{
    SrtpKeys keys = {.profile = SRTP_PROFILE_AEAD_AES_128_GCM};
    SrtpMaster *up = as_room ? &keys.inbound : &keys.outbound;
    SrtpMaster *down = as_room ? &keys.outbound : &keys.inbound;
    memset(up, (int)(peer % 120), sizeof *up);
    memset(down, (int)(peer % 120 + 121), sizeof *down);
    return keys;
}

// --- the room's side -----------------------------------------------------------------------------
static void describe_sources(MediaPeerDescription *description)
{
    description->n_sources = 2;
    description->sources = g_new0(MediaSource, 2);
    for (guint i = 0; i < 2; i++)
        description->sources[i] = (MediaSource){.mid = {(char)('a' + i)},
                                                .kind = i == 0 ? MEDIA_AUDIO : MEDIA_VIDEO,
                                                .label = i == 0 ? "audio" : "video",
                                                .payload_type = i == 0 ? 111 : 96,
                                                .rtx_payload_type = i == 0 ? 0 : 97,
                                                .clock_rate = i == 0 ? 48000 : 90000,
                                                .ssrc = source_ssrc(description->number, i),
                                                .has_nack = i == 1,
                                                .has_transport_cc = TRUE};
}

static void describe_slots(MediaPeerDescription *description, guint n)
{
    description->n_slots = 2 * n;
    description->slots = g_new0(MediaSlot, description->n_slots);
    for (guint i = 0; i < description->n_slots; i++) {
        gboolean audio = i < n;
        guint32 ssrc = slot_ssrc(description->number, i);
        description->slots[i] = (MediaSlot){.kind = audio ? MEDIA_AUDIO : MEDIA_VIDEO,
                                            .payload_type = audio ? 111 : 96,
                                            .rtx_payload_type = audio ? 0 : 97,
                                            .clock_rate = audio ? 48000 : 90000,
                                            .ssrc = ssrc,
                                            .rtx_ssrc = audio ? 0 : ssrc + 50,
                                            .first_sequence = 1000};
        g_snprintf(description->slots[i].mid, MEDIA_MID_MAX, "%u", i);
    }
}

static MediaPeer add_peer(Media *media, guint32 number, const Load *load)
{
    MediaPeerDescription *description = g_new0(MediaPeerDescription, 1);
    description->number = number;
    g_snprintf(description->local_ufrag, MEDIA_UFRAG_MAX, "room%u", number);
    g_strlcpy(description->local_pwd, password, MEDIA_PWD_MAX);
    g_strlcpy(description->remote_ufrag, "load", sizeof description->remote_ufrag);
    description->extensions = extensions;
    description->cname = g_strdup("room");
    if (number <= load->senders)
        describe_sources(description);
    else
        describe_slots(description, load->senders);
    MediaPeer handle = media_add_peer(media, description);
    SrtpKeys keys = keys_of(number, TRUE);
    media_set_keys(media, handle, &keys);
    return handle;
}

static void on_event(const MediaEvent *event, gpointer user)
{
    (void)event, (void)user;
}

static void fill_room(Media *media, const Load *load)
{
    MediaPeer senders[MAX_SLOTS / 2];
    for (guint i = 0; i < load->senders; i++)
        senders[i] = add_peer(media, i + 1, load);
    for (guint i = 0; i < load->receivers; i++) {
        MediaPeer receiver = add_peer(media, load->senders + i + 1, load);
        for (guint k = 0; k < load->senders; k++)
            media_assign_slot(media, receiver, load->senders + k, senders[k], 1);
    }
}

static gint64 cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * G_USEC_PER_SEC +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static gboolean on_time(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

static void run_for(guint seconds)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_timeout_add_seconds(seconds, on_time, loop);
    g_main_loop_run(loop);
}

static glong resident_kb(void)
{
    glong pages = 0;
    g_autofree char *text = NULL;
    if (g_file_get_contents("/proc/self/statm", &text, NULL, NULL))
        pages = strtol(strchr(text, ' ') + 1, NULL, 10);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

// --- the child: clients --------------------------------------------------------------------------
typedef struct {
    guint32 number;
    int fd;
    gboolean sends, checked, wants_key_frame;
    StunRequest request;
    char username[64];
    SrtpIn *in;
    SrtpOut *out;
    SrtpStream streams[2];
    guint16 sequences[2], picture_id, twcc;
    guint32 timestamps[2];
    gint64 video_due_us, audio_due_us;
    guint in_frame; // packets of the current frame that were sent
    gboolean key_frame;
    guint16 newest[MAX_SLOTS]; // by slot
    gboolean started[MAX_SLOTS];
} Client;

typedef struct {
    Load load;
    guint n;
    Client *clients;
    struct sockaddr_in room;
    int epoll;
    Told told;
    guint32 *delays;
    guint n_delays;
} Clients;

static int own_socket(struct sockaddr_in *ret_address)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), size = 4 << 20;
    socklen_t length = sizeof *ret_address;
    *ret_address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    g_assert(bind(fd, (struct sockaddr *)ret_address, length) == 0);
    getsockname(fd, (struct sockaddr *)ret_address, &length);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return fd;
}

static void init_client(Clients *clients, guint index, gint64 now_us)
{
    struct sockaddr_in own;
    Client *client = &clients->clients[index];
    client->number = index + 1;
    client->sends = index < clients->load.senders;
    client->checked = !client->sends && index % CHECKED_EVERY == 1;
    client->fd = own_socket(&own);
    g_assert(connect(client->fd, (struct sockaddr *)&clients->room, sizeof clients->room) == 0);
    g_snprintf(client->username, sizeof client->username, "room%u:load", client->number);
    client->request = (StunRequest){.username = client->username,
                                    .password = password,
                                    .priority = 1,
                                    .use_candidate = TRUE,
                                    .tie_breaker = 1};
    SrtpKeys keys = keys_of(client->number, FALSE);
    client->in = srtp_in_new(&keys);
    client->out = srtp_out_new(&keys);
    for (guint i = 0; i < 2; i++)
        srtp_stream_init(&client->streams[i], source_ssrc(client->number, i));
    client->wants_key_frame = TRUE;
    client->video_due_us = now_us + 500000 + g_random_int_range(0, 40000);
    client->audio_due_us = now_us + 500000 + g_random_int_range(0, 20000);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    epoll_ctl(clients->epoll, EPOLL_CTL_ADD, client->fd, &event);
}

static void send_check(Client *client)
{
    guint8 data[STUN_REQUEST_MAX];
    client->request.transaction[0]++;
    send(client->fd, data, stun_request_build(data, &client->request), 0);
}

// The send time lies behind the descriptor, or in front of audio.
static void send_packet(Client *client, guint kind, gboolean marker)
{
    guint8 packet[2048] __attribute__((aligned(64))), header[RTP_HEADER_MAX];
    guint8 payload[VIDEO_PAYLOAD] = {0}, number[2], level = 20;
    gint64 now_us = g_get_monotonic_time();
    rtp_put16(number, client->twcc++);
    RtpExtension elements[] = {{extensions.transport_cc, 2, number},
                               {kind == 0 ? extensions.audio_level : 0, 1, &level}};
    RtpHeader values = {.payload_type = kind == 0 ? 111 : 96,
                        .n_extensions = 2,
                        .marker = marker,
                        .sequence = client->sequences[kind]++,
                        .timestamp = client->timestamps[kind],
                        .ssrc = source_ssrc(client->number, kind),
                        .extensions = elements};
    if (kind == 1) {
        payload[0] = client->in_frame == 0 ? 0x90 : 0x80;
        payload[1] = 0x80;
        rtp_put16(payload + 2, 0x8000 | client->picture_id);
        payload[4] = client->key_frame ? 0x10 : 0x11;
    }
    memcpy(payload + 8, &now_us, sizeof now_us);
    SrtpPieces pieces = {.header = header,
                         .header_length = rtp_header_build(header, &values),
                         .payload = payload,
                         .payload_length = kind == 0 ? AUDIO_PAYLOAD : VIDEO_PAYLOAD};
    send(client->fd, packet, srtp_out_protect(client->out, &client->streams[kind], packet, &pieces),
         0);
}

static void send_video(Client *client, gboolean paced)
{
    guint n = paced ? 1 : BURST;
    for (guint i = 0; i < n; i++) {
        if (client->in_frame == 0) {
            client->timestamps[1] += 3600;
            client->picture_id = (client->picture_id + 1) & 0x7FFF;
            client->key_frame = client->wants_key_frame;
            client->wants_key_frame = FALSE;
        }
        send_packet(client, 1, client->in_frame == BURST - 1);
        client->in_frame = (client->in_frame + 1) % BURST;
    }
    client->video_due_us += 40000 / BURST * n;
}

static gint64 send_due(Clients *clients, gint64 now_us)
{
    gint64 next_us = now_us + 10000;
    for (guint i = 0; i < clients->load.senders; i++) {
        Client *client = &clients->clients[i];
        if (now_us >= client->video_due_us)
            send_video(client, clients->load.paced);
        if (now_us >= client->audio_due_us) {
            client->timestamps[0] += 960;
            send_packet(client, 0, FALSE);
            client->audio_due_us += 20000;
        }
        next_us = MIN(next_us, MIN(client->video_due_us, client->audio_due_us));
    }
    return next_us;
}

static void check_order(Clients *clients, Client *client, const guint8 *data)
{
    guint slot = rtp_get32(data + 8) - slot_ssrc(client->number, 0);
    guint16 sequence = rtp_get16(data + 2);
    if (slot >= 2 * clients->load.senders) {
        clients->told.broken++;
        return;
    }
    if (client->started[slot] && rtp_sequence_after(sequence, client->newest[slot]) != 1)
        clients->told.unordered++;
    client->started[slot] = TRUE;
    client->newest[slot] = sequence;
    clients->told.received++;
}

static void check_payload(Clients *clients, Client *client, guint8 *data, gsize length)
{
    RtpPacket rtp;
    gint64 sent_us;
    if (srtp_in_unprotect(client->in, data, &length) != SRTP_OK || !rtp_parse(&rtp, data, length) ||
        rtp.payload_length < 16) {
        clients->told.broken++;
        return;
    }
    memcpy(&sent_us, rtp.payload + 8, sizeof sent_us);
    if (clients->n_delays < DELAYS_MAX)
        clients->delays[clients->n_delays++] = (guint32)(g_get_monotonic_time() - sent_us);
}

static void take_rtcp(Client *client, guint8 *data, gsize length)
{
    RtcpReader reader;
    RtcpPacket packet;
    guint32 ssrc;
    if (!client->sends || srtp_in_unprotect_rtcp(client->in, data, &length) != SRTP_OK ||
        !rtcp_reader_init(&reader, data, length))
        return;
    while (rtcp_next(&reader, &packet))
        client->wants_key_frame |= rtcp_is_pli(&packet, &ssrc);
}

static void read_all(Clients *clients, Client *client)
{
    guint8 data[2048] __attribute__((aligned(64)));
    gssize length;
    while ((length = recv(client->fd, data, sizeof data, 0)) > 0) {
        DatagramKind kind = stun_datagram_kind(data, (gsize)length);
        if (kind == DATAGRAM_RTCP)
            take_rtcp(client, data, (gsize)length);
        if (kind != DATAGRAM_RTP)
            continue;
        check_order(clients, client, data);
        if (client->checked)
            check_payload(clients, client, data, (gsize)length);
    }
}

static int compare_delays(const void *a, const void *b)
{
    guint32 x = *(const guint32 *)a, y = *(const guint32 *)b;
    return x < y ? -1 : x > y;
}

// Until it is told to stop, and then listens for another second.
static void run_clients(Clients *clients)
{
    struct epoll_event events[64];
    gint64 check_us = 0, end_us = G_MAXINT64, now_us;
    struct pollfd stop = {.fd = STDIN_FILENO, .events = POLLIN};
    while ((now_us = g_get_monotonic_time()) < end_us) {
        if (end_us == G_MAXINT64 && poll(&stop, 1, 0) > 0)
            end_us = now_us + AFTER_S * G_USEC_PER_SEC;
        if (now_us >= check_us) {
            for (guint i = 0; i < clients->n; i++)
                send_check(&clients->clients[i]);
            check_us = now_us + 2 * G_USEC_PER_SEC;
        }
        gint64 next_us = end_us == G_MAXINT64 ? send_due(clients, now_us) : now_us + 10000;
        struct timespec wait = {.tv_nsec = CLAMP(next_us - now_us, 0, 10000) * 1000};
        int n = epoll_pwait2(clients->epoll, events, G_N_ELEMENTS(events), &wait, NULL);
        for (int i = 0; i < n; i++)
            read_all(clients, events[i].data.ptr);
    }
}

static int run_load(const Load *load, guint port)
{
    Clients clients = {.load = *load,
                       .n = load->senders + load->receivers,
                       .room = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                .sin_port = htons((guint16)port)},
                       .epoll = epoll_create1(EPOLL_CLOEXEC)};
    gint64 now_us = g_get_monotonic_time();
    clients.clients = g_new0(Client, clients.n);
    clients.delays = g_new(guint32, DELAYS_MAX);
    for (guint i = 0; i < clients.n; i++)
        init_client(&clients, i, now_us);
    run_clients(&clients);
    qsort(clients.delays, clients.n_delays, sizeof *clients.delays, compare_delays);
    if (clients.n_delays > 0) {
        clients.told.p50_us = clients.delays[clients.n_delays / 2];
        clients.told.p99_us = clients.delays[(guint64)clients.n_delays * 99 / 100];
    }
    return write(STDOUT_FILENO, &clients.told, sizeof clients.told) != sizeof clients.told;
}

// --- both ----------------------------------------------------------------------------------------
typedef struct {
    GPid pid;
    gint in, out;
} Child;

static void start_load(const char *program, const Load *load, guint16 port, Child *ret_child)
{
    g_autofree char *size = g_strdup_printf("%u:%u", load->senders, load->receivers);
    g_autofree char *port_text = g_strdup_printf("%u", port);
    const char *arguments[] = {program, "--load", port_text, size, load->paced ? "--paced" : NULL,
                               NULL};
    g_assert(g_spawn_async_with_pipes(NULL, (char **)arguments, NULL, G_SPAWN_DO_NOT_REAP_CHILD,
                                      NULL, NULL, &ret_child->pid, &ret_child->in, &ret_child->out,
                                      NULL, NULL));
}

static Told stop_load(Child *child)
{
    Told told = {0};
    close(child->in);
    g_assert(read(child->out, &told, sizeof told) == sizeof told);
    close(child->out);
    waitpid(child->pid, NULL, 0);
    return told;
}

typedef struct {
    gint64 cpu_us;
    guint64 packets;
    glong memory_kb;
} Cost;

static Cost run_room(void)
{
    for (guint i = 0; i < 60 && metrics_get(METRIC_MEDIA_FORWARDED) == 0; i++)
        run_for(1);
    run_for(WARM_UP_S);
    Cost cost = {.cpu_us = cpu_us(), .packets = metrics_get(METRIC_MEDIA_FORWARDED)};
    run_for(MEASURE_S);
    cost.cpu_us = cpu_us() - cost.cpu_us;
    cost.packets = metrics_get(METRIC_MEDIA_FORWARDED) - cost.packets;
    cost.memory_kb = resident_kb();
    return cost;
}

static void print(const Load *load, const Cost *cost, const Told *told)
{
    g_autofree char *name = g_strdup_printf("forward_%u_%u%s", load->senders, load->receivers,
                                            load->paced ? "_paced" : "");
    printf("%s_us %.2f us/packet\n", name, (double)cost->cpu_us / (double)MAX(cost->packets, 1));
    printf("%s_rate %" G_GUINT64_FORMAT " packets/s\n", name, cost->packets / MEASURE_S);
    printf("%s_missing %" G_GINT64_FORMAT " packets\n", name,
           (gint64)(metrics_get(METRIC_MEDIA_FORWARDED) - told->received));
    printf("%s_wrong %" G_GUINT64_FORMAT " packets\n", name, told->unordered + told->broken);
    printf("%s_delay_p50 %" G_GINT64_FORMAT " us\n", name, told->p50_us);
    printf("%s_delay_p99 %" G_GINT64_FORMAT " us\n", name, told->p99_us);
    printf("%s_resident %ld KB\n", name, cost->memory_kb);
}

static void measure(const char *program, const Load *load)
{
    Child child;
    struct sockaddr_in address;
    int fd = own_socket(&address);
    Media *media = media_new(fd, -1, on_event, NULL, NULL);
    fill_room(media, load);
    start_load(program, load, ntohs(address.sin_port), &child);
    Cost cost = run_room();
    Told told = stop_load(&child);
    print(load, &cost, &told);
    media_free(media);
}

static gboolean read_size(const char *text, Load *load)
{
    return sscanf(text, "%u:%u", &load->senders, &load->receivers) == 2 && load->senders > 0 &&
           load->senders <= MAX_SLOTS / 2 && load->receivers > 0 &&
           load->receivers + load->senders <= LIMIT_PEERS;
}

// Each size in a process of its own: its CPU is that process'.
static void measure_all(const char *program, const char *const *sizes, guint n, gboolean paced)
{
    for (guint i = 0; i < n; i++) {
        const char *arguments[] = {program, sizes[i], paced ? "--paced" : NULL, NULL};
        g_spawn_sync(NULL, (char **)arguments, NULL, G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL, NULL,
                     NULL, NULL, NULL);
    }
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {"1:50", "10:20"};
    const char *sizes[32];
    guint n = 0, port = 0;
    Load load = {0};
    log_open("forward", LOG_WARNING, FALSE);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--paced") == 0)
            load.paced = TRUE;
        else if (strcmp(argv[i], "--load") == 0 && i + 1 < argc)
            port = (guint)strtoul(argv[++i], NULL, 10);
        else if (n < G_N_ELEMENTS(sizes) && read_size(argv[i], &load))
            sizes[n++] = argv[i];
    }
    if (port != 0)
        return run_load(&load, port);
    if (n == 1)
        measure(argv[0], &load);
    else
        measure_all(argv[0], n == 0 ? usual : sizes, n == 0 ? G_N_ELEMENTS(usual) : n, load.paced);
    return 0;
}
