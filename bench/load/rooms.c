/* Many small rooms, whose members all publish; beside them, clients that are silent. */

#include <stdio.h>
#include <string.h>

#include "load.h"

#define SPREAD 7919 /* a prime: who publishes next is seldom of the same room */
#define HELD 0.9    /* of the deliveries come while they are measured if a system keeps up */

static struct histogram lags; /* from when an event is due to when it is written */
static int talkers; /* the first clients; the others are silent */
static uint64_t upcoming = FIRST, first; /* the next event, and the first one of this phase */

static int publisherOf(uint64_t number)
{
    return (int)((number - FIRST) * SPREAD % (uint64_t)talkers);
}

static void heard(struct conn *c, const char *text, size_t length, int64_t at)
{
    int64_t sent = numberAfter(text, length, "\"at\":");
    int64_t number = numberAfter(text, length, "\"n\":");
    if (number >= FIRST && (uint64_t)number < first)
        return; /* it is late, and of a phase before */
    phase.delivered++;
    if (at >= phase.from && at < phase.to)
        phase.within++;
    if (number < FIRST || clients[publisherOf((uint64_t)number)].room != c->room)
        phase.wrong++;
    if (sent >= phase.from && sent < phase.to)
        record(&phase.delays, at - sent);
}

/* @return whether the system kept up. */
static bool roomsPhase(int members, const char *text, int pad, double most)
{
    double rate = 0, seconds = 0;
    if (sscanf(text, "r%lf:%lf", &rate, &seconds) != 2)
        die("not a phase: %s", text);
    begin(members, 1, seconds);
    first = upcoming;
    memset(&lags, 0, sizeof lags);
    onDelivery = heard;
    struct usage from = usage();
    bool warm = true;
    uint64_t published = 0;
    int64_t began = now(), t;
    while ((t = now()) < phase.to) {
        if (warm && t >= phase.from) {
            warm = false;
            from = usage();
        }
        int64_t next, stop = warm ? phase.from : phase.to;
        while ((next = began + (int64_t)((double)published * 1e6 / rate)) <= t) {
            uint64_t number = upcoming++;
            struct conn *c = &clients[publisherOf(number)];
            published++;
            if (!warm)
                record(&lags, now() - next);
            if (c->fd < 0)
                die("a member was closed with %d", c->status);
            publish(c, topicOf(c, 0), number, pad, false);
        }
        poll_(next < stop ? next : stop);
    }
    struct usage to = usage();
    long rss = serverBytes();
    drain(published);
    printf("{\"phase\": \"%s\", \"from\": %.3f, \"to\": %.3f, \"offered\": %.0f, "
           "\"publishes\": %.1f, \"lag\": %.3f, ",
           text, (double)from.at / 1e6, (double)to.at / 1e6, rate,
           (double)phase.within / members / ((double)(to.at - from.at) / 1e6),
           quantile(&lags, 0.99));
    printPhase(published, from, to, rss);
    printf("}");
    double wanted = rate * seconds * members;
    return (double)phase.within >= HELD * wanted && quantile(&phase.delays, 0.99) <= most;
}

/*
 * `most` is the p99 in milliseconds above which a system does not keep up. After two phases
 * with that it has broken, and the others are left out, because each offers more; one alone
 * may be the machine's fault.
 */
void sceneRooms(int members, int talking, double most, int count, char **phases)
{
    talkers = talking;
    if (members < 1 || talkers < members || talkers > options.subscribers)
        die("%d of %d clients in rooms of %d do not fit", talkers, options.subscribers, members);
    for (int i = 0; i < options.subscribers; i++)
        clients[i].room = i / members + 1;
    openAll();
    needAll();
    int64_t until = now() + (int64_t)(options.settle * 1e6);
    while (now() < until)
        poll_(until);
    int pad = fit(&clients[0]), behind = 0;
    printf("[");
    for (int i = 0; i < count && behind < 2; i++) {
        if (i)
            printf(",\n");
        behind = roomsPhase(members, phases[i], pad, most) ? 0 : behind + 1;
    }
    printf("]\n");
}
