/* What is measured, one function each; each prints one JSON object. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define DRAIN 5000000

struct phase phase;

void publish(struct conn *c, const char *topic, uint64_t number, int pad, bool keep)
{
    static char filler[65536], data[70000], text[80000];
    if (!filler[0])
        memset(filler, 'x', sizeof filler);
    sprintf(data, "{\"at\":%lld,\"n\":%llu,\"pad\":\"%.*s\"}", (long long)now(),
            (unsigned long long)number, pad, filler);
    sendText(c, text, options.dialect->publish(text, topic, data, number, keep));
}

/* Opening */

static int decided(void)
{
    return readyCount + lostCount + refusedCount;
}

void openSome(int from, int to)
{
    int base = decided(), next = from;
    int64_t deadline = now() + (int64_t)(options.opening * 1e6);
    while (decided() - base < to - from && now() < deadline) {
        while (next < to && next - from - (decided() - base) < options.inflight)
            openConn(&clients[next++]);
        poll_(now() + 100000);
    }
}

void openAll(void)
{
    openSome(0, options.subscribers);
}

struct conn *openPublisher(int role)
{
    struct conn *c = &clients[options.subscribers + role - ROLE_PUBLISHER];
    c->role = role;
    openSome((int)(c - clients), (int)(c - clients) + 1);
    if (c->state != READY)
        die("the publisher was not let in (%d)", c->status);
    return c;
}

void needAll(void)
{
    if (readyCount < options.subscribers)
        die("only %d of %d subscribers came in; %d were refused, %d failed", readyCount,
            options.subscribers, refusedCount, lostCount);
}

static void ignore(struct conn *c, const char *text, size_t length, int64_t at)
{
    (void)c, (void)text, (void)length, (void)at;
}

void sceneCrowd(void)
{
    long before = serverBytes();
    double used = serverSeconds();
    int64_t began = now();
    onDelivery = ignore;
    openAll();
    double seconds = (double)(now() - began) / 1e6;
    used = serverSeconds() - used;
    int ready = readyCount;
    int64_t until = now() + (int64_t)(options.settle * 1e6);
    while (now() < until)
        poll_(until);
    printf("{\"clients\": %d, \"ready\": %d, \"refused\": %d, \"failed\": %d, \"seconds\": %.3f, "
           "\"cpu\": %.1f, \"before\": %ld, \"after\": %ld, \"stayed\": %d}\n",
           options.subscribers, ready, refusedCount, options.subscribers - ready - refusedCount,
           seconds, 100 * used / seconds, before, serverBytes(), readyCount);
}

/* Fan-out */

static void delivered(struct conn *c, const char *text, size_t length, int64_t at)
{
    phase.delivered++;
    if (at >= phase.from && at < phase.to)
        phase.within++;
    phase.last = at;
    /* Each has every event in order, so these fill up in order, too. */
    uint32_t *done = &phase.done[c->count++ % RING];
    if (++*done == (uint32_t)phase.watched) {
        *done = 0;
        phase.all++;
    }
    if (++phase.step < phase.stride)
        return;
    phase.step = 0;
    int64_t sent = numberAfter(text, length, "\"at\":");
    int64_t number = numberAfter(text, length, "\"n\":");
    if (number <= c->last || (phase.stride == 1 && c->last >= 0 && number != c->last + 1))
        phase.wrong++;
    c->last = number;
    if (sent >= phase.from && sent < phase.to)
        record(&phase.delays, at - sent);
}

static size_t seen;

static void measured(struct conn *c, const char *text, size_t length, int64_t at)
{
    (void)c, (void)text, (void)at;
    seen = length;
}

/* @return how much must be added to an event for it to have the wanted size on the wire. */
int fit(struct conn *publisher)
{
    onDelivery = measured;
    seen = 0;
    publish(publisher, topicOf(publisher, 0), FIRST, 0, false);
    int64_t until = now() + 5000000;
    while (!seen && now() < until)
        poll_(until);
    if (!seen)
        die("an event that was published did not arrive");
    until = now() + 500000; /* and at all the others */
    while (now() < until)
        poll_(until);
    int head = options.wire > 129 ? 4 : 2;
    int pad = options.wire - head - (int)seen;
    return pad > 0 ? pad : 0;
}

void begin(int watched, int stride, double seconds)
{
    double warm = seconds / 4 > 1 ? 1 : seconds / 4;
    memset(&phase, 0, sizeof phase);
    phase.watched = watched;
    phase.stride = stride;
    phase.from = now() + (int64_t)(warm * 1e6);
    phase.to = phase.from + (int64_t)(seconds * 1e6);
    for (int i = 0; i < clientCount; i++) {
        clients[i].count = 0;
        clients[i].last = -1;
    }
    onDelivery = delivered;
}

void printPhase(uint64_t published, struct usage from, struct usage to, long rss)
{
    double seconds = (double)(to.at - from.at) / 1e6;
    printf("\"deliveries\": %.0f, \"events\": %llu, \"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f, "
           "\"cpu\": %.1f, \"own_cpu\": %.1f, \"rss\": %ld, \"missing\": %lld, \"wrong\": %llu, "
           "\"lost\": %d",
           (double)phase.within / seconds, (unsigned long long)published,
           quantile(&phase.delays, 0.5), quantile(&phase.delays, 0.99),
           phase.delays.total ? (double)phase.delays.max / 1000 : -1,
           100 * (to.server - from.server) / seconds, 100 * (to.own - from.own) / seconds, rss,
           (long long)(published * (uint64_t)phase.watched) - (long long)phase.delivered,
           (unsigned long long)phase.wrong, lostCount);
}

void drain(uint64_t published)
{
    int64_t until = now() + DRAIN;
    while (phase.delivered < published * (uint64_t)phase.watched && now() < until)
        poll_(until < now() + 100000 ? until : now() + 100000);
}

/*
 * A phase is `r10:4`, 10 events a second for 4 seconds, or `w64:4`, 64 at most under way.
 * These are published in bursts, 32 when as many have arrived everywhere: publishers that
 * are many and know nothing of each other leave a server something to gather, and one that
 * waits for each event before the next would not.
 */
static void fanoutPhase(struct conn *publisher, const char *text, int pad)
{
    double value = 0, seconds = 0;
    if (sscanf(text + 1, "%lf:%lf", &value, &seconds) != 2 || (*text != 'r' && *text != 'w'))
        die("not a phase: %s", text);
    bool windowed = *text == 'w';
    if (windowed && value >= RING)
        die("the window must be below %d", RING);
    uint64_t published = 0, number = FIRST;
    struct usage from = usage();
    bool warm = true;
    begin(options.subscribers, windowed ? 17 : 1, seconds);
    int64_t began = now(), t;
    long rss = 0;
    while ((t = now()) < phase.to) {
        if (warm && t >= phase.from) {
            warm = false;
            from = usage();
        }
        int64_t next = t + 100000;
        if (windowed) {
            bool burst = published - phase.all <= (uint64_t)value / 2;
            while (burst && published - phase.all < (uint64_t)value && !publisher->writing)
                published++, publish(publisher, options.topic, ++number, pad, false);
        } else {
            while ((next = began + (int64_t)((double)published * 1e6 / value)) <= now())
                published++, publish(publisher, options.topic, ++number, pad, false);
        }
        if (publisher->fd < 0)
            die("the publisher was closed with %d", publisher->status);
        int64_t stop = warm ? phase.from : phase.to;
        poll_(next < stop ? next : stop);
        if (!windowed && !warm && !rss && t > phase.from)
            rss = serverBytes();
    }
    struct usage to = usage();
    long after = serverBytes();
    drain(published);
    printf("{\"phase\": \"%s\", ", text);
    printPhase(published, from, to, after > rss ? after : rss);
    printf("}");
}

void sceneFanout(int count, char **phases)
{
    openAll();
    needAll();
    struct conn *publisher = openPublisher(ROLE_PUBLISHER);
    int pad = fit(publisher);
    printf("[");
    for (int i = 0; i < count; i++) {
        if (i)
            printf(",\n");
        fanoutPhase(publisher, phases[i], pad);
    }
    printf("]\n");
}

/* A reader that has stalled */

static void deliveredToOthers(struct conn *c, const char *text, size_t length, int64_t at)
{
    if (!c->heavy)
        delivered(c, text, length, at);
}

static void stallPhase(struct conn *publisher, struct conn *heavy, const char *name,
                       double seconds, double rate, int pad)
{
    begin(options.subscribers - 1, 1, seconds);
    onDelivery = deliveredToOthers;
    uint64_t published = 0, filled = 0;
    int64_t began = now(), t, looked = 0, dropped = 0;
    long before = serverBytes(), most = before;
    struct usage from = usage();
    while ((t = now()) < phase.to) {
        int64_t next, other;
        while ((next = began + (int64_t)((double)published * 1e6 / rate)) <= now())
            published++, publish(publisher, options.topic, FIRST + published, pad, false);
        while ((other = began + (int64_t)((double)filled * 1e6 / options.heavyRate)) <= now())
            filled++, publish(heavy, options.heavyTopic, filled, options.heavyBytes, false);
        if (publisher->fd < 0 || heavy->fd < 0)
            die("a publisher was closed with %d", publisher->status + heavy->status);
        if (t - looked > 100000) {
            long bytes = serverBytes();
            most = bytes > most ? bytes : most;
            looked = t;
        }
        if (clients[0].fd < 0 && !dropped)
            dropped = t - began;
        next = next < other ? next : other;
        poll_(next < phase.to ? next : phase.to);
    }
    struct usage to = usage();
    drain(published);
    printf("\"%s\": {", name);
    printPhase(published, from, to, most);
    printf(", \"before\": %ld, \"dropped\": %.3f}", before, dropped ? (double)dropped / 1e6 : -1);
}

void sceneStall(double reading, double stalled, double rate)
{
    clients[0].heavy = true;
    openAll();
    needAll();
    struct conn *publisher = openPublisher(ROLE_PUBLISHER);
    struct conn *heavy = openPublisher(ROLE_HEAVY_PUBLISHER);
    int pad = fit(publisher);
    printf("{");
    stallPhase(publisher, heavy, "reading", reading, rate, pad);
    printf(", ");
    stallReading(&clients[0]);
    stallPhase(publisher, heavy, "stalled", stalled, rate, pad);
    printf("}\n");
}

/* From a publication to its acknowledgement */

static struct {
    int64_t sent[RING];
    uint64_t published, acknowledged;
    int64_t from;
    struct histogram delays;
} acks;

static void acknowledged(int64_t number, int64_t at)
{
    uint64_t n = number >= 0 ? (uint64_t)number - FIRST : acks.acknowledged;
    if (n != acks.acknowledged)
        die("the answer to %llu came where that to %llu was due", (unsigned long long)n,
            (unsigned long long)acks.acknowledged);
    acks.acknowledged++;
    if (acks.sent[n % RING] >= acks.from)
        record(&acks.delays, at - acks.sent[n % RING]);
}

void sceneAcks(int count, char **windows)
{
    onDelivery = ignore;
    onAck = acknowledged;
    struct conn *publisher = openPublisher(ROLE_PUBLISHER);
    printf("[");
    for (int i = 0; i < count; i++) {
        int window = 0;
        double seconds = 0;
        if (sscanf(windows[i], "w%d:%lf", &window, &seconds) != 2 || window >= RING)
            die("not a phase: %s", windows[i]);
        memset(&acks.delays, 0, sizeof acks.delays);
        acks.from = now() + (int64_t)(seconds * 0.25e6);
        int64_t until = now() + (int64_t)(seconds * 1e6), late = until + DRAIN;
        bool more = true;
        double used = serverSeconds();
        int64_t began = now();
        while (more || acks.acknowledged < acks.published) {
            more = now() < until;
            while (more && acks.published - acks.acknowledged < (uint64_t)window) {
                acks.sent[acks.published % RING] = now();
                publish(publisher, options.topic, FIRST + acks.published++, 64, true);
            }
            poll_(now() + 100000);
            if (publisher->fd < 0)
                die("the publisher was closed with %d", publisher->status);
            if (publisher->wrong)
                die("a publication was refused");
            if (now() > late)
                die("%llu publications were never acknowledged",
                    (unsigned long long)(acks.published - acks.acknowledged));
        }
        double took = (double)(now() - acks.from) / 1e6, whole = (double)(now() - began) / 1e6;
        printf("%s{\"window\": %d, \"acks\": %.0f, \"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f, "
               "\"cpu\": %.1f}",
               i ? ",\n" : "", window, (double)acks.delays.total / took,
               quantile(&acks.delays, 0.5), quantile(&acks.delays, 0.99),
               (double)acks.delays.max / 1000, 100 * (serverSeconds() - used) / whole);
    }
    printf("]\n");
}
