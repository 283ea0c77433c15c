// SPDX-License-Identifier: MIT
// See receive.h. Numbers are unwrapped to 64 bits once, on arrival; `seen` is a ring of bits behind
// the newest. Missing packets are asked for after 5 ms (less is reordering on the way), then every
// round trip and a quarter.
#include "media-worker/receive.h"
#include "media-worker/rtp.h"
#include <string.h>

#define FIRST_NUMBER 0x10000 // room for packets before the first
#define MAX_DROPOUT 3000     // RFC 3550 A.1
#define ONE G_GUINT64_CONSTANT(1)
#define REORDER_US 5000
#define RETRY_MIN_US 20000
#define DEFAULT_RTT_US 100000
#define DRIFT 10000           // clocks drift by at most one part in so many (100 ppm)
#define CLOCK_JUMP_US 5000000 // more than this is no delay but another clock

void receive_init(Receive *receive, guint32 ssrc, guint32 clock_rate, gboolean wants_nack)
{
    g_assert(clock_rate > 0);
    memset(receive, 0, sizeof(*receive));
    receive->ssrc = ssrc;
    receive->clock_rate = clock_rate;
    receive->wants_nack = wants_nack;
    receive->rtt_us = DEFAULT_RTT_US;
}

// --- arrival -------------------------------------------------------------------------------------
static gboolean is_seen(const Receive *receive, guint64 number)
{
    return receive->seen[number % RECEIVE_WINDOW / 64] >> number % 64 & 1;
}

static void set_seen(Receive *receive, guint64 number)
{
    receive->seen[number % RECEIVE_WINDOW / 64] |= ONE << number % 64;
}

static gint64 ticks_to_us(const Receive *receive, gint32 ticks)
{
    return (gint64)ticks * G_USEC_PER_SEC / receive->clock_rate;
}

static void start_at(Receive *receive, const ReceiveArrival *arrival)
{
    memset(receive->seen, 0, sizeof(receive->seen));
    receive->started = TRUE;
    receive->has_bad_sequence = FALSE;
    receive->first = receive->newest = FIRST_NUMBER + (guint64)arrival->sequence;
    receive->received = receive->received_before = receive->expected_before = 0;
    receive->n_missing = 0;
    receive->has_report = FALSE;
    receive->base_timestamp = arrival->timestamp;
    receive->base_us = arrival->now_us;
    receive->jitter_x16 = 0;
    set_seen(receive, receive->newest);
}

static void note_missing(Receive *receive, guint64 from, guint64 to, gint64 now_us)
{
    if (!receive->wants_nack)
        return;
    if (receive->n_missing + (to - from) > RECEIVE_MISSING_MAX) {
        receive->n_missing = 0;
        receive->given_up = TRUE;
        return;
    }
    for (guint64 number = from; number < to; number++)
        receive->missing[receive->n_missing++] = (ReceiveMissing){
            .sequence = (guint16)number, .since_us = now_us, .due_us = now_us + REORDER_US};
}

static void advance(Receive *receive, guint64 number, gint64 now_us)
{
    note_missing(receive, receive->newest + 1, number, now_us);
    if (number - receive->newest >= RECEIVE_WINDOW)
        memset(receive->seen, 0, sizeof(receive->seen));
    else
        for (guint64 passed = receive->newest + 1; passed <= number; passed++)
            receive->seen[passed % RECEIVE_WINDOW / 64] &= ~(ONE << passed % 64);
    receive->newest = number;
    set_seen(receive, number);
}

static void forget_missing(Receive *receive, guint16 sequence)
{
    for (guint i = 0; i < receive->n_missing; i++) {
        if (receive->missing[i].sequence != sequence)
            continue;
        receive->n_missing--;
        memmove(&receive->missing[i], &receive->missing[i + 1],
                (receive->n_missing - i) * sizeof(ReceiveMissing));
        return;
    }
}

// A.8; and the line from timestamps to our clock that holds until there is a sender report: it
// follows the arrivals with the least delay, and rises by no more than clocks drift.
static void time_arrival(Receive *receive, const ReceiveArrival *arrival, gboolean is_first)
{
    guint32 now_ticks = (guint32)(arrival->now_us * receive->clock_rate / G_USEC_PER_SEC);
    guint32 transit = now_ticks - arrival->timestamp;
    guint32 change = (guint32)ABS((gint32)(transit - receive->transit));
    receive->transit = transit;
    if (!is_first)
        receive->jitter_x16 += change - ((receive->jitter_x16 + 8) >> 4);
    gint64 passed_us =
        ticks_to_us(receive, rtp_timestamp_after(arrival->timestamp, receive->base_timestamp));
    if (passed_us < 0)
        return;
    receive->base_us = MIN(arrival->now_us, receive->base_us + passed_us + passed_us / DRIFT);
    receive->base_timestamp = arrival->timestamp;
}

// Far from all before: believed when the next in line comes (A.1), as an SSRC may start over.
static ReceiveResult jump(Receive *receive, const ReceiveArrival *arrival)
{
    if (!receive->has_bad_sequence || arrival->sequence != receive->bad_sequence) {
        receive->has_bad_sequence = TRUE;
        receive->bad_sequence = (guint16)(arrival->sequence + 1);
        return RECEIVE_OLD;
    }
    start_at(receive, arrival);
    receive->given_up = TRUE;
    return RECEIVE_RESTART;
}

static ReceiveResult place(Receive *receive, const ReceiveArrival *arrival)
{
    if (!receive->started) {
        start_at(receive, arrival);
        return RECEIVE_NEXT;
    }
    gint after = rtp_sequence_after(arrival->sequence, (guint16)receive->newest);
    if (after > MAX_DROPOUT || after <= -RECEIVE_WINDOW)
        return arrival->resent ? RECEIVE_OLD : jump(receive, arrival);
    receive->has_bad_sequence = FALSE;
    guint64 number = receive->newest + (guint64)(gint64)after;
    if (after > 0) {
        advance(receive, number, arrival->now_us);
        return RECEIVE_NEXT;
    }
    if (is_seen(receive, number))
        return RECEIVE_DUPLICATE;
    set_seen(receive, number);
    forget_missing(receive, arrival->sequence);
    return RECEIVE_LATE;
}

ReceiveResult receive_packet(Receive *receive, const ReceiveArrival *arrival)
{
    gboolean was_started = receive->started;
    ReceiveResult result = place(receive, arrival);
    if (arrival->resent || result == RECEIVE_DUPLICATE || result == RECEIVE_OLD)
        return result;
    receive->received++;
    time_arrival(receive, arrival, !was_started || result == RECEIVE_RESTART);
    return result;
}

// --- asking again --------------------------------------------------------------------------------
void receive_set_rtt(Receive *receive, gint64 rtt_us)
{
    receive->rtt_us = CLAMP(rtt_us, 0, RECEIVE_NACK_GIVE_UP_US);
}

guint receive_nacks(Receive *receive, gint64 now_us, guint16 *sequences, guint max)
{
    gint64 retry_us = MAX(receive->rtt_us * 5 / 4, RETRY_MIN_US);
    guint asked = 0, kept = 0;
    for (guint i = 0; i < receive->n_missing; i++) {
        ReceiveMissing *missing = &receive->missing[i];
        gboolean due = missing->due_us <= now_us;
        if (now_us - missing->since_us >= RECEIVE_NACK_GIVE_UP_US ||
            (due && missing->tries == RECEIVE_NACK_TRIES)) {
            receive->given_up = TRUE;
            continue;
        }
        if (due && asked < max) {
            sequences[asked++] = missing->sequence;
            missing->tries++;
            missing->due_us = now_us + retry_us;
        }
        receive->missing[kept++] = *missing;
    }
    receive->n_missing = kept;
    return asked;
}

gint64 receive_nacks_due_us(const Receive *receive)
{
    gint64 due_us = G_MAXINT64;
    for (guint i = 0; i < receive->n_missing; i++)
        due_us = MIN(due_us, receive->missing[i].due_us);
    return due_us;
}

void receive_key_frame(Receive *receive, guint16 sequence)
{
    guint kept = 0;
    for (guint i = 0; i < receive->n_missing; i++)
        if (rtp_sequence_after(receive->missing[i].sequence, sequence) > 0)
            receive->missing[kept++] = receive->missing[i];
    receive->n_missing = kept;
    receive->given_up = FALSE;
}

gboolean receive_take_given_up(Receive *receive)
{
    gboolean given_up = receive->given_up;
    receive->given_up = FALSE;
    return given_up;
}

// --- reports and clocks --------------------------------------------------------------------------
static guint8 fraction_lost(guint64 expected, guint64 received)
{
    return expected > received ? (guint8)MIN((expected - received) * 256 / expected, 255) : 0;
}

gboolean receive_report(Receive *receive, gint64 now_us, RtcpReport *ret_report)
{
    if (receive->received == receive->received_before)
        return FALSE;
    guint64 expected = receive->newest - receive->first + 1;
    gint64 lost = (gint64)expected - (gint64)receive->received;
    RtcpReport report = {.ssrc = receive->ssrc,
                         .fraction_lost =
                             fraction_lost(expected - receive->expected_before,
                                           receive->received - receive->received_before),
                         .cumulative_lost = (gint32)CLAMP(lost, -0x800000, 0x7FFFFF),
                         .highest_sequence = (guint32)(receive->newest - FIRST_NUMBER),
                         .jitter = receive->jitter_x16 >> 4};
    if (receive->has_report) {
        report.last_sr = rtcp_ntp_middle(receive->report.ntp);
        report.delay_since_last_sr =
            (guint32)(((guint64)(now_us - receive->report_us) << 16) / G_USEC_PER_SEC);
    }
    receive->expected_before = expected;
    receive->received_before = receive->received;
    *ret_report = report;
    return TRUE;
}

// Follows the report with the least delay, and rises by no more than clocks drift.
static void adjust_clock(ReceiveClock *clock, gint64 offset_us, gint64 now_us)
{
    if (!clock->known || ABS(offset_us - clock->offset_us) > CLOCK_JUMP_US)
        clock->offset_us = offset_us;
    else
        clock->offset_us = MIN(offset_us, clock->offset_us + (now_us - clock->since_us) / DRIFT);
    clock->known = TRUE;
    clock->since_us = now_us;
}

void receive_sender_report(Receive *receive, ReceiveClock *clock, const RtcpSenderInfo *info,
                           gint64 now_us)
{
    receive->has_report = TRUE;
    receive->report = *info;
    receive->report_us = now_us;
    if (info->ntp != 0)
        adjust_clock(clock, now_us - rtcp_ntp_to_us(info->ntp), now_us);
}

gint64 receive_server_us(const Receive *receive, const ReceiveClock *clock, guint32 timestamp)
{
    if (!receive->has_report || !clock->known || receive->report.ntp == 0)
        return receive->base_us +
               ticks_to_us(receive, rtp_timestamp_after(timestamp, receive->base_timestamp));
    gint32 ticks = rtp_timestamp_after(timestamp, receive->report.rtp_timestamp);
    return rtcp_ntp_to_us(receive->report.ntp) + ticks_to_us(receive, ticks) + clock->offset_us;
}

// --- RTX -----------------------------------------------------------------------------------------
guint8 *receive_unwrap_rtx(guint8 *packet, gsize *length, ReceiveOriginal original)
{
    RtpPacket view;
    if (!rtp_parse(&view, packet, *length) || view.payload_length <= 2)
        return NULL;
    guint16 sequence = rtp_get16(view.payload);
    guint8 *start = packet + 2;
    memmove(start, packet, (gsize)(view.payload - packet));
    start[1] = (guint8)((start[1] & 0x80) | original.payload_type);
    rtp_put16(start + 2, sequence);
    rtp_put32(start + 8, original.ssrc);
    *length -= 2;
    return start;
}
