/* Clients that come back, and want what they missed. */

#include <stdio.h>
#include <string.h>

#include "load.h"

#define LIVE 20 /* events that are published while they come back */

static uint64_t received;
static int64_t lastCame;

/* The position stands behind the data in some systems, and anywhere in others. */
static void notePosition(struct conn *c, const char *text, size_t length)
{
    const char *at = find(text, length, "\"pos\":\"");
    const char *end = at ? memchr(at, '"', (size_t)(text + length - at)) : NULL;
    if (end && end - at < MAX_POS) {
        memcpy(c->pos, at, (size_t)(end - at));
        c->pos[end - at] = 0;
    } else if (c->epoch[0]) {
        int64_t offset = numberAfter(text, length, "\"offset\":");
        if (offset >= 0)
            snprintf(c->pos, MAX_POS, "%lld", (long long)offset);
    }
}

static void taken(struct conn *c, const char *text, size_t length, int64_t at)
{
    int64_t number = numberAfter(text, length, "\"n\":");
    if (number != c->last + 1)
        c->wrong++;
    c->last = number;
    notePosition(c, text, length);
    received++;
    lastCame = at;
}

static bool wait(uint64_t wanted, double seconds)
{
    int64_t until = now() + (int64_t)(seconds * 1e6);
    while (received < wanted && now() < until)
        poll_(now() + 100000);
    return received >= wanted;
}

static void restart(void)
{
    for (int i = 0; i < options.subscribers; i++)
        closeConn(&clients[i], IDLE);
    int64_t until = now() + 1000000; /* the system shall have noticed */
    while (now() < until)
        poll_(until);
}

void sceneResume(void)
{
    if (!options.dialect->positions) {
        printf("{\"positions\": false}\n");
        return;
    }
    onDelivery = taken;
    uint64_t count = (uint64_t)options.subscribers, missed = (uint64_t)options.missed;
    openAll();
    struct conn *publisher = openPublisher(ROLE_PUBLISHER);
    publish(publisher, options.topic, 0, 64, false);
    if (readyCount <= (int)count || !wait(count, 10))
        die("%d of %d subscribers got the first event", (int)received, (int)count);
    if (!clients[0].pos[0]) {
        printf("{\"positions\": false}\n");
        return;
    }
    restart();
    for (uint64_t n = 1; n <= missed; n++)
        publish(publisher, options.topic, n, 64, false);
    int64_t until = now() + 1500000; /* all of it is in the log */
    while (now() < until)
        poll_(until);

    received = 0;
    long before = serverBytes(), most = before;
    double used = serverSeconds();
    int64_t began = now(), deadline = began + (int64_t)(options.opening * 1e6), ready = 0;
    uint64_t live = 0, wanted = count * (missed + LIVE);
    int next = 0;
    while (received < wanted && now() < deadline) {
        while (next < options.subscribers && next - (readyCount - 1) < options.inflight)
            openConn(&clients[next++]);
        while (live < LIVE && now() - began > (int64_t)live * 50000)
            publish(publisher, options.topic, missed + ++live, 64, false);
        poll_(now() + 10000);
        if (!ready && readyCount == options.subscribers + 1)
            ready = now();
        long bytes = serverBytes();
        most = bytes > most ? bytes : most;
    }
    double seconds = (double)((received ? lastCame : now()) - began) / 1e6;
    int whole = 0;
    uint64_t wrong = 0;
    for (int i = 0; i < options.subscribers; i++) {
        whole += clients[i].last == (int64_t)(missed + LIVE) && !clients[i].wrong;
        wrong += clients[i].wrong;
    }
    printf("{\"positions\": true, \"clients\": %llu, \"missed\": %llu, \"live\": %d, "
           "\"whole\": %d, \"wrong\": %llu, \"received\": %llu, \"seconds\": %.3f, "
           "\"subscribed\": %.3f, \"cpu\": %.1f, \"before\": %ld, \"most\": %ld}\n",
           (unsigned long long)count, (unsigned long long)missed, LIVE, whole,
           (unsigned long long)wrong, (unsigned long long)received, seconds,
           ready ? (double)(ready - began) / 1e6 : -1, 100 * (serverSeconds() - used) / seconds,
           before, most);
}
