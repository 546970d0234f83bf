/* What each system wants to be told, and how it says things. */

#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "load.h"

static void say(struct conn *c, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    sendText(c, text, (size_t)length);
}

static void acknowledged(const char *text, size_t length, const char *mark)
{
    if (onAck)
        onAck(mark ? numberAfter(text, length, mark) : -1, now());
}

static void copyString(char *to, const char *text, size_t length, const char *mark)
{
    const char *at = find(text, length, mark);
    const char *end = at ? memchr(at, '"', (size_t)(text + length - at)) : NULL;
    if (!end || (size_t)(end - at) >= MAX_POS)
        return;
    memcpy(to, at, (size_t)(end - at));
    to[end - at] = 0;
}

int topicsOf(const struct conn *c)
{
    if (c->role != ROLE_SUBSCRIBER || c->room)
        return 1;
    return c->heavy ? 2 : options.topics;
}

const char *topicOf(const struct conn *c, int nth)
{
    static char name[256];
    if (c->heavy && nth == 1)
        return options.heavyTopic;
    if (options.topics == 1 && !c->room)
        return options.topic;
    snprintf(name, sizeof name, "%s/%d", options.topic, c->room ? c->room : nth);
    return name;
}

static void subscribeAll(struct conn *c)
{
    for (int i = 0; i < topicsOf(c); i++)
        options.dialect->subscribe(c, topicOf(c, i), i);
}

/* aerostack-rt */

static void aerostackPath(struct conn *c, char *to, size_t size)
{
    (void)c;
    snprintf(to, size, "/api/realtime?projectId=bench");
}

static void aerostackSubscribe(struct conn *c, const char *topic, int nth)
{
    (void)nth;
    if (c->pos[0])
        say(c, "{\"type\":\"subscribe\",\"topic\":\"%s\",\"since\":\"%s\"}", topic, c->pos);
    else
        say(c, "{\"type\":\"subscribe\",\"topic\":\"%s\"}", topic);
}

static void aerostackOpened(struct conn *c)
{
    if (c->role != ROLE_SUBSCRIBER) {
        joined(c);
        return;
    }
    subscribeAll(c);
}

static void aerostackOther(struct conn *c, const char *text, size_t length)
{
    if (find(text, length, "\"type\":\"ack\"")) {
        acknowledged(text, length, "\"id\":");
    } else if (find(text, length, "\"type\":\"subscribed\"")) {
        if (c->pos[0] && !find(text, length, "\"recovered\":true"))
            c->wrong++;
        if (!c->pos[0])
            copyString(c->pos, text, length, "\"pos\":\"");
        joined(c);
    } else if (onStream && find(text, length, "\"type\":\"stream_ack\"")) {
        onStream(c, text, length);
    } else if (find(text, length, "\"type\":\"error\"")) {
        fprintf(stderr, "answered: %.*s\n", (int)length, text);
        c->wrong++;
    }
}

static size_t aerostackPublish(char *to, const char *topic, const char *data, uint64_t number,
                               bool keep)
{
    int length = sprintf(to, "{\"type\":\"publish\",\"topic\":\"%s\",\"event\":\"e\",\"data\":%s",
                         topic, data);
    if (keep)
        length += sprintf(to + length, ",\"persist\":true,\"id\":\"%llu\"",
                          (unsigned long long)number);
    return (size_t)(length + sprintf(to + length, "}"));
}

/* ws and uWebSockets, with a line of ours before what is published */

static void plainPath(struct conn *c, char *to, size_t size)
{
    (void)c;
    snprintf(to, size, "/");
}

static void plainSubscribe(struct conn *c, const char *topic, int nth)
{
    (void)nth;
    say(c, "s%s", topic);
}

static void plainOpened(struct conn *c)
{
    if (c->role != ROLE_SUBSCRIBER) {
        joined(c);
        return;
    }
    subscribeAll(c);
}

static void plainOther(struct conn *c, const char *text, size_t length)
{
    if (length && text[0] == 's')
        joined(c);
}

static size_t plainPublish(char *to, const char *topic, const char *data, uint64_t number,
                           bool keep)
{
    (void)number;
    (void)keep;
    return (size_t)sprintf(to, "p%s\n{\"type\":\"event\",\"topic\":\"%s\",\"data\":%s}", topic,
                           topic, data);
}

/* nginx with Nchan: the path says everything */

static void nchanPath(struct conn *c, char *to, size_t size)
{
    if (c->role == ROLE_PUBLISHER)
        snprintf(to, size, "/pub/%s", options.topic);
    else if (c->role == ROLE_HEAVY_PUBLISHER)
        snprintf(to, size, "/pub/%s", options.heavyTopic);
    else if (c->heavy)
        snprintf(to, size, "/both/%s/%s", options.topic, options.heavyTopic);
    else
        snprintf(to, size, "/sub/%s", options.topic);
}

static void nchanOpened(struct conn *c)
{
    c->awaited = 1;
    joined(c);
}

static void nchanOther(struct conn *c, const char *text, size_t length)
{
    (void)c;
    if (find(text, length, "queued messages"))
        acknowledged(text, length, NULL);
}

static size_t nchanPublish(char *to, const char *topic, const char *data, uint64_t number,
                           bool keep)
{
    (void)number;
    (void)keep;
    return (size_t)sprintf(to, "{\"type\":\"event\",\"topic\":\"%s\",\"data\":%s}", topic, data);
}

/* socket.io: Engine.IO 4 and Socket.IO 5 packets */

static void socketioPath(struct conn *c, char *to, size_t size)
{
    (void)c;
    snprintf(to, size, "/socket.io/?EIO=4&transport=websocket");
}

static void socketioOpened(struct conn *c)
{
    (void)c;
}

static void socketioSubscribe(struct conn *c, const char *topic, int nth)
{
    say(c, "42%d[\"s\",\"%s\"]", nth, topic);
}

static void socketioOther(struct conn *c, const char *text, size_t length)
{
    if (length && text[0] == '0') {
        say(c, "40");
    } else if (length && text[0] == '2') {
        say(c, "3");
    } else if (length > 1 && !memcmp(text, "40", 2)) {
        if (c->role != ROLE_SUBSCRIBER) {
            joined(c);
            return;
        }
        subscribeAll(c);
    } else if (length > 1 && !memcmp(text, "43", 2)) {
        joined(c);
    }
}

static size_t socketioPublish(char *to, const char *topic, const char *data, uint64_t number,
                              bool keep)
{
    (void)number;
    (void)keep;
    return (size_t)sprintf(to, "42[\"p\",\"%s\",%s]", topic, data);
}

/* Centrifugo and its engine, centrifuge: JSON, several replies a message */

static void centrifugePath(struct conn *c, char *to, size_t size)
{
    (void)c;
    snprintf(to, size, "/connection/websocket");
}

static void centrifugeOpened(struct conn *c)
{
    if (c->role != ROLE_SUBSCRIBER)
        say(c, "{\"id\":1,\"connect\":{}}");
    else if (c->pos[0])
        say(c,
            "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"%s\","
            "\"recover\":true,\"offset\":%s,\"epoch\":\"%s\"}}",
            options.topic, c->pos, c->epoch);
    else {
        /* All in one message, as its own client does. */
        char text[1024];
        int length = sprintf(text, "{\"id\":1,\"connect\":{}}");
        for (int i = 0; i < topicsOf(c); i++)
            length += sprintf(text + length,
                              "\n{\"id\":%d,\"subscribe\":{\"channel\":\"%s\"}}", i + 2,
                              topicOf(c, i));
        sendText(c, text, (size_t)length);
    }
}

/* What was missed stands in the answer to subscribe, one publication after another. */
static void centrifugeRecovered(struct conn *c, const char *text, size_t length)
{
    const char *end = text + length, *at = find(text, length, "{\"data\":");
    if (!find(text, length, "\"recovered\":true"))
        c->wrong++;
    while (at) {
        /* Each alone, or looking for what one does not have would go through all. */
        const char *next = find(at, (size_t)(end - at), "{\"data\":");
        onDelivery(c, at, (size_t)((next ? next : end) - at), now());
        at = next;
    }
}

static void centrifugeOther(struct conn *c, const char *text, size_t length)
{
    if (length == 2) {
        say(c, "{}");
        return;
    }
    int64_t id = numberAfter(text, length < 32 ? length : 32, "{\"id\":");
    if (find(text, length < 64 ? length : 64, "\"error\"")) {
        fprintf(stderr, "answered: %.*s\n", (int)length, text);
        c->wrong++;
    } else if (id >= 10 && (c->role != ROLE_SUBSCRIBER || c->room)) {
        if (onAck)
            onAck(id - 10, now());
    } else if (id == 1 && c->role != ROLE_SUBSCRIBER) {
        joined(c);
    } else if (id > 1) {
        if (c->pos[0])
            centrifugeRecovered(c, text, length);
        else if (find(text, length, "\"recoverable\":true")) {
            int64_t offset = numberAfter(text, length, "\"offset\":");
            snprintf(c->pos, MAX_POS, "%lld", (long long)(offset < 0 ? 0 : offset));
            copyString(c->epoch, text, length, "\"epoch\":\"");
        }
        joined(c);
    }
}

static size_t centrifugePublish(char *to, const char *topic, const char *data, uint64_t number,
                                bool keep)
{
    (void)keep;
    return (size_t)sprintf(to, "{\"id\":%llu,\"publish\":{\"channel\":\"%s\",\"data\":%s}}",
                           (unsigned long long)number + 10, topic, data);
}

static const struct dialect aerostack = {"aerostack", "{\"type\":\"event\"", false, true, true, true,
    aerostackPath, aerostackOpened, aerostackSubscribe, aerostackOther, aerostackPublish};
static const struct dialect plain = {"plain", "{\"type\":\"event\"", false, false, false, false,
    plainPath, plainOpened, plainSubscribe, plainOther, plainPublish};
static const struct dialect nchan = {"nchan", "{\"type\":\"event\"", false, true, false, false,
    nchanPath, nchanOpened, NULL, nchanOther, nchanPublish};
static const struct dialect socketio = {"socketio", "42[\"e\"", false, false, false, false,
    socketioPath, socketioOpened, socketioSubscribe, socketioOther, socketioPublish};
static const struct dialect centrifuge = {"centrifuge", "{\"push\":", true, true, true, false,
    centrifugePath, centrifugeOpened, NULL, centrifugeOther, centrifugePublish};

const struct dialect *const DIALECTS[] = {&aerostack, &plain, &nchan, &socketio, &centrifuge, NULL};
