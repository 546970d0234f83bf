/* Token streams: producers that write, and watchers whose texts are compared with the whole. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define MAX_TOKENS 238000 /* what three digits can number */
#define BATCH 500         /* tokens for one answer, while a stream is filled */
#define DRAIN 5000000

static const char DIGITS[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char SEPARATORS[] = " ,.;:!?-_~+*"; /* one for each stream */

struct stream streams[MAX_STREAMS];
struct joining *joinings;
struct rung rung;
static struct progress *progresses;

/* A token has four and five characters by turns: its number, its stream's separator, a space. */
size_t lengthOf(uint64_t tokens)
{
    return (size_t)(tokens * 9 / 2);
}

struct progress *progressOf(const struct conn *c, const struct stream *s)
{
    return &progresses[(c - clients) * MAX_STREAMS + (s - streams)];
}

struct conn *joiner(int number)
{
    return &clients[options.subscribers + MAX_STREAMS + number];
}

static void take(struct conn *c, struct stream *s, struct progress *p, int64_t at)
{
    bool timed = c->role == ROLE_SUBSCRIBER && !c->narrow;
    if (timed && at >= rung.from && at < rung.to)
        rung.frames++;
    while (p->tokens < s->written && lengthOf(p->tokens + 1) <= p->length) {
        int64_t sent = s->times[p->tokens++];
        if (timed && sent >= rung.from && sent < rung.to)
            record(&rung.delays, at - sent);
        if (timed && at >= rung.from && at < rung.to)
            rung.within++;
    }
    struct joining *j = &joinings[c - clients];
    if (j->asked && !j->reached && p->length >= j->wanted) {
        j->reached = at;
        j->bytes = c->bytes - j->bytes;
    }
}

/* As a client does it: a text is put where it belongs, and one that was there before is none. */
static void delivered(struct conn *c, const char *text, size_t length, int64_t at)
{
    int64_t number = numberAfter(text, length, "\"stream\":\"s");
    if (number < 0 || number >= MAX_STREAMS)
        return;
    struct stream *s = &streams[number];
    struct progress *p = progressOf(c, s);
    const char *end = text + length, *token = find(text, length, "\"token\":\"");
    if (!token) {
        p->done = p->done || find(text, length, "\"state\":\"done\"");
        return;
    }
    const char *close = memchr(token, '"', (size_t)(end - token));
    size_t size = close ? (size_t)(close - token) : 0;
    int64_t place = options.dialect->streams && close
                        ? numberAfter(close, (size_t)(end - close), "\"at\":")
                        : (int64_t)p->length;
    size_t from = (size_t)place;
    if (place < 0 || from > p->length || from + size > lengthOf(s->written) ||
        memcmp(s->text + from, token, size)) {
        p->wrong = true;
        return;
    }
    if (from + size > p->length || find(close, (size_t)(end - close), "\"reset\":true"))
        p->length = from + size;
    take(c, s, p, at);
}

static void answered(struct conn *c, const char *text, size_t length)
{
    (void)text, (void)length;
    for (int i = 0; i < MAX_STREAMS; i++)
        if (streams[i].producer == c)
            streams[i].answers++;
}

static void await(struct stream *s, int answers, const char *what)
{
    int64_t until = now() + 30000000;
    while (s->answers < answers && s->producer->fd >= 0 && now() < until)
        poll_(now() + 100000);
    if (s->answers < answers)
        die("%s of a stream was not answered", what);
}

static void prepareStream(struct stream *s, int number)
{
    s->text = malloc(lengthOf(MAX_TOKENS) + 8);
    s->times = malloc(MAX_TOKENS * sizeof *s->times);
    if (!s->text || !s->times)
        die("out of memory");
    if (!s->topic[0]) {
        struct conn any = {.role = ROLE_SUBSCRIBER};
        snprintf(s->topic, sizeof s->topic, "%s", topicOf(&any, number % options.topics));
    }
}

/* Each stream has a producer of its own. */
void openProducers(int count)
{
    progresses = calloc((size_t)clientCount * MAX_STREAMS, sizeof *progresses);
    joinings = calloc((size_t)clientCount, sizeof *joinings);
    if (!progresses || !joinings)
        die("out of memory");
    onDelivery = delivered;
    onStream = answered;
    for (int i = 0; i < count; i++) {
        struct stream *s = &streams[i];
        prepareStream(s, i);
        s->producer = &clients[options.subscribers + i];
        s->producer->role = ROLE_PRODUCER;
    }
    openSome(options.subscribers, options.subscribers + count);
    for (int i = 0; i < count; i++) {
        struct stream *s = &streams[i];
        if (s->producer->state != READY)
            die("a producer was not let in (%d)", s->producer->status);
        if (!options.dialect->streams)
            continue;
        char text[512];
        int length = snprintf(text, sizeof text,
                              "{\"type\":\"stream_start\",\"topic\":\"%s\",\"stream\":\"s%d\"}",
                              s->topic, i);
        sendText(s->producer, text, (size_t)length);
        await(s, 1, "the beginning");
    }
}

static void writeToken(struct stream *s, bool answer)
{
    char data[64], text[512];
    uint64_t n = s->written;
    int number = (int)(s - streams), length;
    if (n >= MAX_TOKENS)
        die("a stream has at most %d tokens", MAX_TOKENS);
    char *token = s->text + lengthOf(n);
    int size = (int)(lengthOf(n + 1) - lengthOf(n));
    const char whole[5] = {DIGITS[n / 62 / 62 % 62], DIGITS[n / 62 % 62], DIGITS[n % 62],
                           SEPARATORS[number], ' '};
    memcpy(token, whole, (size_t)size);
    s->times[n] = now();
    s->written++;
    if (options.dialect->streams) {
        length = sprintf(text,
                         "{\"type\":\"stream_append\",\"stream\":\"s%d\",\"epoch\":1,"
                         "\"part\":\"0\",\"at\":%zu,\"text\":\"%.*s\"%s}",
                         number, lengthOf(n), size, token, answer ? ",\"id\":1" : "");
    } else {
        sprintf(data, "{\"stream\":\"s%d\",\"token\":\"%.*s\"}", number, size, token);
        length = (int)options.dialect->publish(text, s->topic, data, n, false);
    }
    sendText(s->producer, text, (size_t)length);
}

void fillStream(struct stream *s, uint64_t tokens)
{
    while (s->written < tokens) {
        uint64_t until = s->written + BATCH < tokens ? s->written + BATCH : tokens;
        int answers = s->answers;
        while (s->written < until)
            writeToken(s, s->written == until - 1);
        await(s, answers + 1, "the text");
    }
}

void ask(struct conn *c, struct stream *s)
{
    struct joining *j = &joinings[c - clients];
    j->wanted = lengthOf(s->written);
    j->bytes = c->bytes;
    j->reached = 0;
    j->asked = now();
    options.dialect->subscribe(c, s->topic, 0);
}

static uint64_t bytesOfAll(void)
{
    uint64_t bytes = 0;
    for (int i = 0; i < options.subscribers; i++)
        bytes += clients[i].bytes;
    return bytes;
}

void growStreams(int count, double rate, double warm, double seconds, void (*meanwhile)(int64_t t))
{
    uint64_t written = 0;
    bool isWarm = true;
    int64_t began = now(), looked = 0, t;
    memset(&rung, 0, sizeof rung);
    rung.first = serverBytes();
    rung.from = began + (int64_t)(warm * 1e6);
    rung.to = rung.from + (int64_t)(seconds * 1e6);
    while ((t = now()) < rung.to) {
        if (isWarm && t >= rung.from) {
            isWarm = false;
            rung.before = usage();
            rung.bytes = bytesOfAll();
        }
        int64_t next = t + 1000;
        while (count && (next = began + (int64_t)((double)written * 1e6 / (rate * count))) <= now()) {
            struct stream *s = &streams[written++ % (uint64_t)count];
            if (s->producer->fd < 0)
                die("a producer was closed with %d", s->producer->status);
            writeToken(s, false);
        }
        if (t - looked > 50000) {
            long bytes = serverBytes();
            rung.most = bytes > rung.most ? bytes : rung.most;
            looked = t;
        }
        if (meanwhile)
            meanwhile(t);
        int64_t stop = isWarm ? rung.from : rung.to;
        poll_(next < stop ? next : stop);
    }
    rung.after = usage();
    rung.bytes = bytesOfAll() - rung.bytes;
}

bool hasAll(const struct conn *c, int from, int to)
{
    for (int i = from; i < to; i++) {
        struct progress *p = progressOf(c, &streams[i]);
        bool ended = !options.dialect->streams || p->done;
        if (p->wrong || p->length != lengthOf(streams[i].written) || !ended)
            return false;
    }
    return true;
}

static int lacking(int count)
{
    int found = 0;
    for (int i = 0; i < clientCount; i++) {
        struct conn *c = &clients[i];
        if (c->role == ROLE_SUBSCRIBER && c->fd >= 0 && !hasAll(c, 0, count))
            found++;
    }
    return found;
}

/* Behind the end a client has nothing to wait for. */
void endStreams(int count)
{
    for (int i = 0; i < count && options.dialect->streams; i++) {
        char text[128];
        int answers = streams[i].answers;
        int length = sprintf(text,
                             "{\"type\":\"stream_end\",\"stream\":\"s%d\",\"epoch\":1,\"id\":2}", i);
        sendText(streams[i].producer, text, (size_t)length);
        await(&streams[i], answers + 1, "the end");
    }
    int64_t until = now() + DRAIN;
    while (lacking(count) && now() < until)
        poll_(now() + 100000);
}

void printRung(const char *name, int count, int watchers)
{
    double seconds = (double)(rung.after.at - rung.before.at) / 1e6;
    int right = 0;
    for (int i = 0; i < options.subscribers; i++)
        right += hasAll(&clients[i], 0, count);
    printf("\"%s\": {\"watchers\": %d, \"right\": %d, \"closed\": %d, \"deliveries\": %.0f, "
           "\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f, \"cpu\": %.1f, \"own_cpu\": %.1f, "
           "\"bytes\": %.0f, \"frames\": %.1f, \"rss\": %ld}",
           name, watchers, right, lostCount, (double)rung.within / seconds,
           quantile(&rung.delays, 0.5), quantile(&rung.delays, 0.99),
           rung.delays.total ? (double)rung.delays.max / 1000 : -1,
           100 * (rung.after.server - rung.before.server) / seconds,
           100 * (rung.after.own - rung.before.own) / seconds,
           (double)rung.bytes / seconds / watchers, (double)rung.frames / seconds / watchers,
           rung.most);
}

void sceneTokens(int count, double rate, double seconds)
{
    if (count > MAX_STREAMS)
        die("at most %d streams", MAX_STREAMS);
    openAll();
    needAll();
    openProducers(count);
    growStreams(count, rate, seconds / 4 > 1 ? 1 : seconds / 4, seconds, NULL);
    endStreams(count);
    printf("{");
    printRung("rung", count, options.subscribers);
    printf("}\n");
}
