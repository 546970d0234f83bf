/* Clients that come when a stream has a long text already, and one that stops reading. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define APART 100000    /* between clients that come one by one */
#define LONGEST 30000000
#define MANY 200
#define FILLING 6 /* seconds, until the socket of one that does not read takes no more */

static struct stream *joined_; /* the stream that they want */

static struct joining *joiningOf(int number)
{
    return &joinings[joiner(number) - clients];
}

static void openJoiners(void)
{
    int first = (int)(joiner(0) - clients);
    for (int i = 0; i < options.joiners; i++)
        joiner(i)->role = ROLE_JOINER;
    openSome(first, first + options.joiners);
    for (int i = 0; i < options.joiners; i++)
        if (joiner(i)->state != READY)
            die("a client that is to come late was not let in (%d)", joiner(i)->status);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double middle(double *values, int count, double q)
{
    if (!count)
        return -1;
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[(int)(q * (count - 1) + 0.5)];
}

/* One that never had the text counts as wrong, and has no time. */
static void printJoins(void)
{
    double *times = calloc((size_t)options.joiners, sizeof *times);
    double *ratios = calloc((size_t)options.joiners, sizeof *ratios);
    int count = 0, right = 0;
    size_t wanted = 0;
    if (!times || !ratios)
        die("out of memory");
    for (int i = 0; i < options.joiners; i++) {
        struct joining *j = joiningOf(i);
        struct progress *p = progressOf(joiner(i), joined_);
        right += j->reached && !p->wrong;
        if (!j->reached)
            continue;
        times[count] = (double)(j->reached - j->asked) / 1000;
        ratios[count++] = (double)j->bytes / (double)j->wanted;
        wanted = j->wanted;
    }
    printf("\"joins\": {\"clients\": %d, \"right\": %d, \"p50\": %.3f, \"max\": %.3f, "
           "\"text\": %zu, \"ratio\": %.4f, \"before\": %ld, \"most\": %ld}",
           options.joiners, right, middle(times, count, 0.5), middle(times, count, 1), wanted,
           middle(ratios, count, 1), rung.first, rung.most);
    free(times);
    free(ratios);
}

/* One by one */

static int next_;
static int64_t due, planned;

static void comeNext(int64_t t)
{
    if (!planned)
        planned = rung.to;
    bool waits = next_ && !joiningOf(next_ - 1)->reached;
    if (waits && t - joiningOf(next_ - 1)->asked > LONGEST)
        die("a client that came late did not get the text");
    if (!waits && t >= rung.from && t >= due && next_ < options.joiners) {
        due = t + APART;
        ask(joiner(next_++), joined_);
        waits = true;
    }
    if (waits || next_ < options.joiners)
        rung.to = t + LONGEST;
    else
        rung.to = t > planned ? t : planned;
}

/*
 * The stream that they want is the last, on a topic of its own.  Where there is other load, it grows,
 * too.
 */
void sceneLate(int count, double rate, double seconds)
{
    if (count + 1 > MAX_STREAMS)
        die("at most %d streams", MAX_STREAMS - 1);
    joined_ = &streams[count];
    snprintf(joined_->topic, sizeof joined_->topic, "%s-late", options.topic);
    openAll();
    needAll();
    openProducers(count + 1);
    fillStream(joined_, (uint64_t)options.tokens);
    openJoiners();
    growStreams(count ? count + 1 : 0, rate, 1, seconds, comeNext);
    endStreams(count);
    printf("{");
    if (count) {
        printRung("rung", count, options.subscribers);
        printf(", ");
    }
    printJoins();
    printf("}\n");
}

/* All at once */

static bool comeAll_;

static void comeAll(int64_t t)
{
    if (t < rung.from)
        return;
    if (!comeAll_) {
        comeAll_ = true;
        for (int i = 0; i < options.joiners; i++)
            ask(joiner(i), joined_);
    }
    bool all = true;
    for (int i = 0; all && i < options.joiners; i++)
        all = joiningOf(i)->reached;
    if (!all && t - joiningOf(0)->asked > LONGEST)
        die("clients that came late did not get the text");
    /* What is measured is the time in which they come. */
    int64_t least = rung.from + 500000;
    rung.to = all ? (t > least ? t : least) : t + LONGEST;
}

void sceneJoins(double rate, double seconds)
{
    joined_ = &streams[0];
    openProducers(1);
    fillStream(joined_, (uint64_t)options.tokens);
    options.inflight = 20;
    openAll();
    needAll();
    openJoiners();
    /* The watchers that were there before have come late, too. */
    growStreams(1, rate, seconds, 1, comeAll);
    endStreams(1);
    printf("{");
    printRung("rung", 1, options.subscribers);
    printf(", ");
    printJoins();
    printf("}\n");
}

/*
 * One watcher stops reading, and then MANY more do, by which the memory for one shows among all that a
 * server takes and gives back.
 */

static long grow(const char *name, int count, double rate, double seconds)
{
    growStreams(count, rate, FILLING, seconds, NULL);
    printRung(name, 0, options.subscribers - MANY - 1);
    printf(", ");
    return rung.most - rung.first;
}

void sceneStalled(int count, double rate, double seconds)
{
    int wrong = 0;
    bool closed = false;
    if (options.subscribers <= MANY + 1)
        die("more than %d watchers are needed", MANY + 1);
    for (int i = 0; i <= MANY; i++)
        clients[i].narrow = true;
    openAll();
    needAll();
    openProducers(count);
    printf("{");
    growStreams(count, rate, 0, 2, NULL); /* at first its memory grows in any case */
    grow("reading", count, rate, seconds);
    stallReading(&clients[0]);
    long one = grow("stalled", count, rate, seconds);
    for (int i = 1; i <= MANY; i++)
        stallReading(&clients[i]);
    long more = grow("more", count, rate, seconds);
    for (int i = 0; i <= MANY; i++) {
        closed = closed || clients[i].fd < 0;
        goOnReading(&clients[i]);
    }
    endStreams(count);
    for (int i = 0; i <= MANY; i++)
        wrong += !hasAll(&clients[i], 0, count);
    printf("\"readers\": {\"stalled\": %d, \"memory\": %.0f, \"dropped\": %d, \"whole\": %d}}\n",
           MANY + 1, (double)(more - one) / MANY, closed, MANY + 1 - wrong);
}
