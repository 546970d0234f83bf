/* WebSocket clients: opening, reading, writing. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#define CHUNK (256 * 1024)
#define ROOM (8 * 1024 * 1024) /* the largest message, and a chunk */

struct conn *clients;
int clientCount;
int readyCount, lostCount, refusedCount;
deliveryHandler onDelivery;
void (*onAck)(int64_t number, int64_t at);
void (*onStream)(struct conn *c, const char *text, size_t length);

static int epoll_ = -1;
static char *room;
#ifdef TLS
static SSL_CTX *context;
#endif

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

void prepare(int count)
{
    clientCount = count;
    clients = calloc((size_t)count, sizeof *clients);
    room = malloc(ROOM);
    epoll_ = epoll_create1(0);
    if (!clients || !room || epoll_ < 0)
        die("out of memory");
    for (int i = 0; i < count; i++) {
        clients[i].fd = -1;
        clients[i].last = -1;
    }
#ifdef TLS
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
#endif
}

static void watch(struct conn *c, int operation)
{
    struct epoll_event event = {.data.ptr = c};
    event.events = (c->stalled ? 0 : EPOLLIN) | (c->writing ? EPOLLOUT : 0);
    epoll_ctl(epoll_, operation, c->fd, &event);
}

void closeConn(struct conn *c, enum state state)
{
    if (c->fd < 0)
        return;
    if (c->state == READY)
        readyCount--;
    if (state == LOST)
        lostCount++;
    if (state == REFUSED)
        refusedCount++;
#ifdef TLS
    if (c->ssl)
        SSL_free(c->ssl);
    c->ssl = NULL;
#endif
    close(c->fd);
    free(c->in);
    free(c->out);
    c->in = c->out = NULL;
    c->inLen = c->outLen = c->outAt = c->outCap = 0;
    c->fd = -1;
    c->writing = false;
    c->state = state;
}

/* Give the socket what it takes; the rest waits. */
static void flush(struct conn *c)
{
    while (c->outAt < c->outLen) {
        ssize_t sent;
#ifdef TLS
        if (c->ssl) {
            size_t took = 0;
            sent = SSL_write_ex(c->ssl, c->out + c->outAt, c->outLen - c->outAt, &took) == 1
                       ? (ssize_t)took
                       : -1;
            if (sent < 0) {
                int why = SSL_get_error(c->ssl, 0);
                errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
            }
        } else
#endif
            sent = send(c->fd, c->out + c->outAt, c->outLen - c->outAt, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN) {
                closeConn(c, LOST);
                return;
            }
            break;
        }
        c->outAt += (size_t)sent;
    }
    bool writing = c->outAt < c->outLen;
    if (!writing)
        c->outAt = c->outLen = 0;
    if (writing != c->writing) {
        c->writing = writing;
        watch(c, EPOLL_CTL_MOD);
    }
}

static void append(struct conn *c, const char *data, size_t length)
{
    if (c->outLen + length > c->outCap) {
        c->outCap = (c->outLen + length) * 2;
        c->out = realloc(c->out, c->outCap);
        if (!c->out)
            die("out of memory");
    }
    memcpy(c->out + c->outLen, data, length);
    c->outLen += length;
}

static void sendFrame(struct conn *c, int opcode, const char *data, size_t length)
{
    static const unsigned char mask[4] = {0x5a, 0xc3, 0x17, 0x88};
    unsigned char head[14] = {(unsigned char)(0x80 | opcode)};
    size_t size = 2;
    if (length < 126) {
        head[1] = (unsigned char)(0x80 | length);
    } else if (length < 65536) {
        head[1] = 0x80 | 126;
        head[2] = (unsigned char)(length >> 8);
        head[3] = (unsigned char)length;
        size = 4;
    } else {
        head[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++)
            head[2 + i] = (unsigned char)((uint64_t)length >> (56 - 8 * i));
        size = 10;
    }
    memcpy(head + size, mask, 4);
    append(c, (char *)head, size + 4);
    append(c, data, length);
    unsigned char *at = (unsigned char *)c->out + c->outLen - length;
    for (size_t i = 0; i < length; i++)
        at[i] ^= mask[i & 3];
}

void sendText(struct conn *c, const char *text, size_t length)
{
    if (c->fd < 0)
        return;
    sendFrame(c, 1, text, length);
    if (!c->writing)
        flush(c);
}

static int portOf(const struct conn *c)
{
    return c->role != ROLE_SUBSCRIBER && options.publisher ? options.publisher : options.port;
}

void openConn(struct conn *c)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)portOf(c))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->state = CONNECTING;
    c->bytes = 0;
    c->awaited = topicsOf(c);
    if (c->narrow) {
        /* The other side's kernel keeps more for it, the larger its segments are. */
        int little = 4096, segment = 536;
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
        setsockopt(c->fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    }
    c->writing = true;
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) {
        watch(c, EPOLL_CTL_ADD);
        closeConn(c, LOST);
        return;
    }
#ifdef TLS
    if (options.tls) {
        c->ssl = SSL_new(context);
        SSL_set_fd(c->ssl, c->fd);
    }
#endif
    watch(c, EPOLL_CTL_ADD);
}

static void request(struct conn *c)
{
    char path[512], text[1024];
    const char *key = c->role == ROLE_PRODUCER && options.producerKey ? options.producerKey
                                                                      : options.key;
    options.dialect->path(c, path, sizeof path);
    int length = snprintf(text, sizeof text,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s%s%s\r\n",
                          path, portOf(c), key ? "Sec-WebSocket-Protocol: " : "", key ? key : "",
                          key ? "\r\n" : "");
    c->state = UPGRADING;
    append(c, text, (size_t)length);
    flush(c);
}

/* Go on with TCP, and then TLS. */
static void connecting(struct conn *c)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error) {
        closeConn(c, LOST);
        return;
    }
#ifdef TLS
    if (c->ssl) {
        int done = SSL_connect(c->ssl);
        if (done != 1) {
            int why = SSL_get_error(c->ssl, done);
            if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
                closeConn(c, LOST);
                return;
            }
            bool writing = why == SSL_ERROR_WANT_WRITE;
            if (writing != c->writing) {
                c->writing = writing;
                watch(c, EPOLL_CTL_MOD);
            }
            return;
        }
    }
#endif
    request(c);
}

void joined(struct conn *c)
{
    if (c->state == JOINING && --c->awaited == 0) {
        c->state = READY;
        readyCount++;
    }
}

/* @return how many bytes of the answer were there, 0 if it is not whole. */
static size_t upgrading(struct conn *c, const char *data, size_t length)
{
    const char *end = find(data, length, "\r\n\r\n");
    if (!end)
        return 0;
    if (length < 12 || memcmp(data, "HTTP/1.1 101", 12)) {
        c->status = (int)numberAfter(data, length, "HTTP/1.1 ");
        closeConn(c, REFUSED);
        return 0;
    }
    c->state = JOINING;
    options.dialect->opened(c);
    return (size_t)(end - data);
}

static void takeLine(struct conn *c, const char *text, size_t length, int64_t at)
{
    static size_t wanted;
    if (!wanted)
        wanted = strlen(options.dialect->delivery);
    if (length > wanted && !memcmp(text, options.dialect->delivery, wanted))
        onDelivery(c, text, length, at);
    else
        options.dialect->other(c, text, length);
}

static void takeMessage(struct conn *c, const char *text, size_t length, int64_t at)
{
    if (!options.dialect->lines) {
        takeLine(c, text, length, at);
        return;
    }
    while (length && c->fd >= 0) {
        const char *end = memchr(text, '\n', length);
        size_t line = end ? (size_t)(end - text) : length;
        takeLine(c, text, line, at);
        text += line + (end ? 1 : 0);
        length -= line + (end ? 1 : 0);
    }
}

static void takeFrame(struct conn *c, int first, const char *data, size_t length, int64_t at)
{
    switch (first) {
    case 0x81:
    case 0x82:
        takeMessage(c, data, length, at);
        break;
    case 0x88:
        c->status = length > 1 ? (unsigned char)data[0] << 8 | (unsigned char)data[1] : 1005;
        closeConn(c, LOST);
        break;
    case 0x89:
        sendFrame(c, 10, data, length);
        flush(c);
        break;
    case 0x8a:
        break;
    default:
        die("a frame begins with %02x: fragments and extensions are not spoken here", first);
    }
}

/* Take every whole frame; @return how many bytes they had. */
static size_t takeFrames(struct conn *c, const char *data, size_t length, int64_t at)
{
    size_t used = 0;
    while (length - used >= 2) {
        const unsigned char *head = (const unsigned char *)data + used;
        size_t size = 2, payload = head[1] & 127;
        if (payload == 126) {
            size = 4;
            if (length - used < size)
                break;
            payload = (size_t)head[2] << 8 | head[3];
        } else if (payload == 127) {
            size = 10;
            if (length - used < size)
                break;
            payload = 0;
            for (int i = 2; i < 10; i++)
                payload = payload << 8 | head[i];
            if (payload > ROOM - CHUNK - 16)
                die("a frame of %zu bytes is too large", payload);
        }
        if (length - used < size + payload)
            break;
        takeFrame(c, head[0], data + used + size, payload, at);
        used += size + payload;
        if (c->fd < 0)
            break;
    }
    return used;
}

void stallReading(struct conn *c)
{
    c->stalled = true;
    watch(c, EPOLL_CTL_MOD);
}

void goOnReading(struct conn *c)
{
    c->stalled = false;
    if (c->fd >= 0)
        watch(c, EPOLL_CTL_MOD);
}

static ssize_t receive(struct conn *c, char *to, size_t size)
{
#ifdef TLS
    if (c->ssl) {
        size_t got = 0, part;
        while (size - got && SSL_read_ex(c->ssl, to + got, size - got, &part) == 1)
            got += part;
        if (got)
            return (ssize_t)got;
        int why = SSL_get_error(c->ssl, 0);
        errno = EAGAIN;
        return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? -1 : 0;
    }
#endif
    return recv(c->fd, to, size, 0);
}

static void reading(struct conn *c)
{
    bool again = true;
    while (again && c->fd >= 0) {
        if (c->inLen)
            memcpy(room, c->in, c->inLen);
        /* Those that have much to read shall not make the others wait. */
        size_t most = c->role == ROLE_JOINER ? CHUNK / 8 : CHUNK;
        ssize_t got = receive(c, room + c->inLen, most);
        if (got <= 0) {
            if (got == 0 || errno != EAGAIN)
                closeConn(c, LOST);
            return;
        }
        c->bytes += (uint64_t)got;
        /* OpenSSL may hold what epoll does not tell of. */
        again = c->ssl && got == (ssize_t)most;
        size_t length = c->inLen + (size_t)got, used = 0;
        if (c->state == UPGRADING)
            used = upgrading(c, room, length);
        if (c->fd >= 0 && c->state >= JOINING)
            used += takeFrames(c, room + used, length - used, now());
        if (c->fd < 0)
            return;
        if (length - used > c->inLen || !c->in)
            c->in = realloc(c->in, length - used + 1);
        c->inLen = length - used;
        memcpy(c->in, room + used, c->inLen);
    }
}

void poll_(int64_t until)
{
    struct epoll_event events[1024];
    int64_t wait = until - now();
    /* Below a millisecond it spins: the generator has a processor of its own. */
    int count = epoll_wait(epoll_, events, 1024, wait < 1000 ? 0 : (int)(wait / 1000));
    for (int i = 0; i < count; i++) {
        struct conn *c = events[i].data.ptr;
        if (c->fd < 0)
            continue;
        if (c->state == CONNECTING) {
            connecting(c);
            continue;
        }
        if (events[i].events & EPOLLOUT)
            flush(c);
        if (c->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            if (c->stalled)
                closeConn(c, LOST); /* only a reset is told of one that does not read */
            else
                reading(c);
        }
    }
}
