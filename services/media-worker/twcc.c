// SPDX-License-Identifier: MIT
// See twcc.h. The wire knows time in ticks of 250 us: a reference of 24 bits in units of 256 ticks,
// then one or two bytes of difference per packet that arrived. So arrivals are kept as 32 bits of
// ticks, of which the reference is simply the upper 24; both wrap together.
//
// Statuses come first, in chunks of 16 bits: a run of one symbol, 14 symbols of one bit, or 7 of
// two.
#include "media-worker/twcc.h"
#include "media-worker/rtp.h"
#include <string.h>

#define TICK_US 250
#define FCI_HEADER 8 // base number, count, reference time, feedback count
#define RUN_MAX 0x1FFF
#define SHORT_SYMBOLS 14
#define LONG_SYMBOLS 7
enum { NOT_RECEIVED, SMALL_DELTA, LARGE_DELTA };

void twcc_recorder_init(TwccRecorder *recorder)
{
    memset(recorder, 0, sizeof(*recorder));
}

static void start_at(TwccRecorder *recorder, guint16 sequence)
{
    memset(recorder->ticks, 0, sizeof(recorder->ticks));
    recorder->started = TRUE;
    recorder->next = recorder->newest = 0x10000 + (guint64)sequence; // room to go back
}

// Makes `number` the newest; what falls out of the window is forgotten.
static void advance(TwccRecorder *recorder, guint64 number)
{
    if (number - recorder->newest >= TWCC_WINDOW)
        memset(recorder->ticks, 0, sizeof(recorder->ticks));
    else
        for (guint64 passed = recorder->newest + 1; passed <= number; passed++)
            recorder->ticks[passed % TWCC_WINDOW] = 0;
    recorder->newest = number;
    if (number - recorder->next >= TWCC_WINDOW)
        recorder->next = number - TWCC_WINDOW + 1;
}

void twcc_recorder_add(TwccRecorder *recorder, guint16 sequence, gint64 now_us)
{
    gint16 after = rtp_sequence_after(sequence, (guint16)recorder->newest);
    if (!recorder->started || after <= -TWCC_WINDOW) {
        start_at(recorder, sequence); // too late for mere reordering: the sender counts anew
        after = 0;
    }
    guint64 number = recorder->newest + (guint64)after;
    if (after > 0)
        advance(recorder, number);
    guint32 *ticks = &recorder->ticks[number % TWCC_WINDOW];
    if (*ticks != 0)
        return;
    *ticks = MAX((guint32)(now_us / TICK_US), 1);
    recorder->next = MIN(recorder->next, number);
}

gboolean twcc_recorder_is_pending(const TwccRecorder *recorder)
{
    return recorder->started && recorder->next <= recorder->newest;
}

// --- writing -------------------------------------------------------------------------------------
typedef struct {
    guint count; // statuses
    guint32 reference;
    guint8 symbols[TWCC_WINDOW];
    gsize n_deltas; // bytes
    guint8 deltas[2 * TWCC_WINDOW];
} Report;

static void add_delta(Report *report, gint32 delta)
{
    if (delta < 0 || delta > G_MAXUINT8) {
        rtp_put16(report->deltas + report->n_deltas, (guint16)delta);
        report->n_deltas += 2;
        report->symbols[report->count++] = LARGE_DELTA;
    } else {
        report->deltas[report->n_deltas++] = (guint8)delta;
        report->symbols[report->count++] = SMALL_DELTA;
    }
}

// Collects at most `max` statuses; ends early before a difference that two bytes cannot tell.
static void collect(const TwccRecorder *recorder, guint max, Report *report)
{
    guint32 last = recorder->ticks[recorder->newest % TWCC_WINDOW];
    gboolean referred = FALSE;
    report->count = 0;
    report->n_deltas = 0;
    report->reference = last >> 8;
    while (report->count < max) {
        guint32 ticks = recorder->ticks[(recorder->next + report->count) % TWCC_WINDOW];
        if (ticks == 0) {
            report->symbols[report->count++] = NOT_RECEIVED;
            continue;
        }
        if (!referred) {
            report->reference = ticks >> 8;
            last = ticks & ~0xFFU;
            referred = TRUE;
        }
        gint32 delta = (gint32)(ticks - last);
        if (delta != (gint16)delta)
            break;
        add_delta(report, delta);
        last = ticks;
    }
}

// Writes the chunk that begins at status `at`; returns how many statuses it holds.
static guint write_chunk(const Report *report, guint at, guint8 *out)
{
    guint left = report->count - at, run = 1, small = 0;
    const guint8 *symbols = report->symbols + at;
    while (run < MIN(left, RUN_MAX) && symbols[run] == symbols[0])
        run++;
    while (small < MIN(left, SHORT_SYMBOLS) && symbols[small] != LARGE_DELTA)
        small++;
    gboolean is_short = small == MIN(left, SHORT_SYMBOLS);
    if (run == left || run >= (is_short ? SHORT_SYMBOLS : LONG_SYMBOLS)) {
        rtp_put16(out, (guint16)(symbols[0] << 13 | run));
        return run;
    }
    guint held = MIN(left, is_short ? SHORT_SYMBOLS : LONG_SYMBOLS);
    guint16 chunk = is_short ? 0x8000 : 0xC000;
    for (guint i = 0; i < held; i++)
        chunk |= (guint16)(symbols[i] << (is_short ? 13 - i : 12 - 2 * i));
    rtp_put16(out, chunk);
    return held;
}

static gsize write_chunks(const Report *report, guint8 *out)
{
    gsize length = 0;
    for (guint at = 0; at < report->count; length += 2)
        at += write_chunk(report, at, out + length);
    return length;
}

// How many statuses fit whatever they are: seven take a chunk and at most 14 bytes of deltas.
static guint statuses_that_fit(const RtcpWriter *writer)
{
    const gsize overhead = 12 + FCI_HEADER + 2 + 3;
    gsize room = writer->size - writer->length;
    return room > overhead ? (guint)((room - overhead) / 16 * 7) : 0;
}

gboolean twcc_recorder_write(TwccRecorder *recorder, RtcpWriter *writer, guint32 sender,
                             guint32 media)
{
    Report report;
    guint8 chunks[2 * (TWCC_WINDOW / LONG_SYMBOLS + 1)];
    guint fit = statuses_that_fit(writer);
    if (!twcc_recorder_is_pending(recorder) || fit == 0)
        return FALSE;
    collect(recorder, (guint)MIN(fit, recorder->newest - recorder->next + 1), &report);
    gsize n_chunks = write_chunks(&report, chunks);
    gsize length = (FCI_HEADER + n_chunks + report.n_deltas + 3) / 4 * 4;
    const RtcpFeedback feedback = {RTCP_TRANSPORT_FEEDBACK, RTCP_TRANSPORT_TWCC, sender, media};
    guint8 *fci = rtcp_write_feedback(writer, &feedback, length);
    if (fci == NULL)
        return FALSE;
    rtp_put16(fci, (guint16)recorder->next);
    rtp_put16(fci + 2, (guint16)report.count);
    rtp_put32(fci + 4, report.reference << 8 | recorder->count++);
    memcpy(fci + FCI_HEADER, chunks, n_chunks);
    memcpy(fci + FCI_HEADER + n_chunks, report.deltas, report.n_deltas);
    recorder->next += report.count;
    return TRUE;
}

// --- reading -------------------------------------------------------------------------------------
typedef struct {
    const guint8 *at, *end;
    guint16 chunk;
    guint left; // symbols in chunk
} Chunks;

// The next status; FALSE: the chunks end before the statuses do.
static gboolean next_symbol(Chunks *chunks, guint8 *ret_symbol)
{
    if (chunks->left == 0) {
        if (chunks->end - chunks->at < 2)
            return FALSE;
        chunks->chunk = rtp_get16(chunks->at);
        chunks->at += 2;
        chunks->left = !(chunks->chunk & 0x8000)   ? chunks->chunk & RUN_MAX
                       : !(chunks->chunk & 0x4000) ? SHORT_SYMBOLS
                                                   : LONG_SYMBOLS;
        if (chunks->left == 0)
            return FALSE;
    }
    chunks->left--;
    if (!(chunks->chunk & 0x8000))
        *ret_symbol = chunks->chunk >> 13 & 3;
    else if (!(chunks->chunk & 0x4000))
        *ret_symbol = chunks->chunk >> chunks->left & 1;
    else
        *ret_symbol = chunks->chunk >> 2 * chunks->left & 3;
    return TRUE;
}

// Reads one difference at *at; FALSE: it is not there, or the symbol is the reserved one.
static gboolean read_delta(guint8 symbol, const guint8 **at, const guint8 *end, gint32 *ret_delta)
{
    if (symbol > LARGE_DELTA || end - *at < symbol)
        return FALSE;
    *ret_delta = symbol == SMALL_DELTA ? (*at)[0] : (gint16)rtp_get16(*at);
    *at += symbol;
    return TRUE;
}

guint twcc_parse(const RtcpPacket *packet, TwccArrival *arrivals, guint max)
{
    guint32 media;
    if (!rtcp_is_twcc(packet, &media) || packet->length < 8 + FCI_HEADER)
        return 0;
    const guint8 *fci = packet->body + 8, *end = packet->body + packet->length;
    guint count = rtp_get16(fci + 2);
    Chunks all = {.at = fci + FCI_HEADER, .end = end}, chunks = all;
    guint8 symbol;
    for (guint i = 0; i < count; i++)
        if (!next_symbol(&all, &symbol))
            return 0;
    const guint8 *delta_at = all.at;
    gint64 ticks = (gint64)(rtp_get32(fci + 4) >> 8) << 8;
    for (guint i = 0; i < MIN(count, max); i++) {
        gint32 delta = 0;
        next_symbol(&chunks, &symbol);
        if (symbol != NOT_RECEIVED && !read_delta(symbol, &delta_at, end, &delta))
            return 0;
        ticks += delta;
        arrivals[i] = (TwccArrival){.sequence = (guint16)(rtp_get16(fci) + i),
                                    .received = symbol != NOT_RECEIVED,
                                    .arrival_us = symbol != NOT_RECEIVED ? ticks * TICK_US : 0};
    }
    return MIN(count, max);
}
