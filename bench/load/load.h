/* The load generator: one thread, epoll, many WebSocket clients. */

#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef TLS
#include <openssl/ssl.h>
#else
typedef void SSL;
#endif

#define MAX_POS 128

enum state {
    IDLE,       /* not opened yet */
    CONNECTING, /* TCP, and TLS where it is asked for */
    UPGRADING,  /* the request is out, the answer is not there */
    JOINING,    /* a WebSocket, not yet subscribed */
    READY,      /* what it was opened for is done */
    REFUSED,    /* answered with another status than 101 */
    LOST        /* closed by the other side, or failed */
};

/* One client. */
struct conn {
    int fd;
    enum state state;
    int role;      /* one of the ROLE_ below */
    int awaited;   /* answers that are still to come before it is READY */
    int status;    /* of HTTP if it was refused, the close code if it was closed */
    bool stalled;  /* does not read any more */
    bool writing;  /* waits for the socket to take more */
    bool heavy;    /* also subscribes to the second topic */
    bool narrow;   /* lets little wait in its socket */
    int room;      /* that it is a member of and publishes in, from 1; 0 for none */
    uint64_t bytes; /* read since it was opened */
    SSL *ssl;
    char *in;      /* a frame that has not come whole */
    size_t inLen;
    char *out;     /* what the socket has not taken yet */
    size_t outLen, outAt, outCap;
    uint64_t count;   /* deliveries of the first topic in this phase */
    int64_t last;     /* the number of the last event, -1 for none */
    uint64_t wrong;   /* events that were out of order, or there twice */
    char pos[MAX_POS];   /* where it is in the topic's log, as the system names it */
    char epoch[MAX_POS];
};

enum {
    ROLE_SUBSCRIBER,
    ROLE_PUBLISHER,
    ROLE_HEAVY_PUBLISHER,
    ROLE_PRODUCER, /* of a token stream */
    ROLE_JOINER    /* subscribes when the scene has it */
};

/* A message for which no other rule is known is a delivery if it begins with `delivery`. */
struct dialect {
    const char *name;
    const char *delivery;
    bool lines;     /* one WebSocket message may carry several, one a line */
    bool acks;      /* a publication is answered */
    bool positions; /* a subscriber can go on from where it was */
    bool streams;   /* has token streams */
    /* Write the path that a client asks for. */
    void (*path)(struct conn *c, char *to, size_t size);
    /* Go on after the opening. */
    void (*opened)(struct conn *c);
    /* Ask for a topic, the client's nth from 0; NULL where `opened` does. */
    void (*subscribe)(struct conn *c, const char *topic, int nth);
    /* Take a message that is no delivery. */
    void (*other)(struct conn *c, const char *text, size_t length);
    /* Write a publication into `to`, and return its length. */
    size_t (*publish)(char *to, const char *topic, const char *data, uint64_t number, bool keep);
};

extern const struct dialect *const DIALECTS[];

/* What the command line said. */
struct options {
    const struct dialect *dialect;
    const char *topic;
    const char *heavyTopic;
    int topics;        /* how many each subscriber has: topic itself, or topic/0, topic/1 ... */
    const char *key;
    const char *producerKey;
    int port;
    int publisher; /* the port for publishers; that of all if it is 0 */
    bool tls;
    int subscribers;
    int inflight;  /* openings at the same time */
    double opening; /* seconds within which all must be open */
    double settle;
    int wire;      /* bytes of a delivered event on the wire */
    int heavyRate, heavyBytes;
    int missed;
    int joiners;
    int tokens;    /* of a stream, before anybody joins */
    int pids[64];
    int pidCount;
};

extern struct options options;

/* measure.c */
struct histogram {
    uint64_t counts[64 * 64];
    uint64_t total;
    int64_t max;
};

int64_t now(void); /* microseconds, monotonic */
void record(struct histogram *h, int64_t value);
double quantile(const struct histogram *h, double q); /* in milliseconds */
double serverSeconds(void);  /* processor time of the system under test */
double ownSeconds(void);
long serverBytes(void);      /* resident memory of the system under test */
const char *find(const char *text, size_t length, const char *what);
int64_t numberAfter(const char *text, size_t length, const char *what);

/* clients.c */
extern struct conn *clients;
extern int clientCount;
extern int readyCount, lostCount, refusedCount;

void prepare(int count);
void openConn(struct conn *c);
void closeConn(struct conn *c, enum state state);
void joined(struct conn *c); /* one awaited answer came */
void stallReading(struct conn *c);
void goOnReading(struct conn *c);
void sendText(struct conn *c, const char *text, size_t length);
void poll_(int64_t until);   /* let things happen until then, at the longest */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Called for each delivery, as the scene wants it. */
typedef void (*deliveryHandler)(struct conn *c, const char *text, size_t length, int64_t at);
extern deliveryHandler onDelivery;
/* Called for each answer to a publication; number is -1 where the answer names none. */
extern void (*onAck)(int64_t number, int64_t at);

/* Called for each answer about a token stream. */
extern void (*onStream)(struct conn *c, const char *text, size_t length);

struct usage {
    double server, own;
    int64_t at;
};
struct usage usage(void);

/* dialects.c */
int topicsOf(const struct conn *c);
const char *topicOf(const struct conn *c, int nth); /* valid until the next call */

/* scenes.c: what scenes with phases share */
#define FIRST 100000 /* the first event's number: all have as many digits */
#define RING 8192    /* more than any window */

struct phase {
    int64_t from, to;   /* events sent in between count */
    int64_t last;       /* when the last of them came */
    uint64_t delivered; /* since the phase began */
    uint64_t within;    /* of these, while it was measured */
    uint64_t all;       /* events that every subscriber has */
    uint64_t wrong;
    int stride, step;   /* which deliveries are looked at */
    int watched;        /* subscribers of each event that count */
    uint32_t done[RING];
    struct histogram delays;
};

extern struct phase phase;
void begin(int watched, int stride, double seconds);
int fit(struct conn *publisher); /* how much to add to an event for its size on the wire */
void drain(uint64_t published);  /* let all of them arrive */
void printPhase(uint64_t published, struct usage from, struct usage to, long rss);

/* rooms.c */
void sceneRooms(int members, int talkers, double most, int count, char **phases);

/* scenes.c, resume.c */
void sceneCrowd(void);
void sceneFanout(int count, char **phases);
void sceneStall(double reading, double stalled, double rate);
void sceneAcks(int count, char **windows);
void sceneResume(void);
void openSome(int from, int to);
void openAll(void);          /* all subscribers, some at a time */
void needAll(void);          /* or end */
struct conn *openPublisher(int role);
void publish(struct conn *c, const char *topic, uint64_t number, int pad, bool keep);

/* tokens.c: streams, their producers and what watchers have of them */
#define MAX_STREAMS 12

struct stream {
    char topic[128];
    struct conn *producer;
    uint64_t written;   /* tokens */
    char *text;         /* all that was written */
    int64_t *times;     /* when each token was */
    int answers;        /* to its producer */
};

/* What one client has of one stream. */
struct progress {
    size_t length;      /* of the text */
    uint64_t tokens;    /* of these, how many were timed */
    bool wrong;         /* a piece was not what the text has there */
    bool done;          /* its end came */
};

/* When one client came late. */
struct joining {
    int64_t asked, reached;
    size_t wanted;      /* the length of the text then */
    uint64_t bytes;     /* before it asked, and then those that it took */
};

extern struct stream streams[MAX_STREAMS];
extern struct joining *joinings;
struct rung {
    int64_t from, to;
    uint64_t within;    /* tokens delivered while it was measured, ... */
    uint64_t frames;    /* and in how many messages */
    uint64_t bytes;     /* read by subscribers meanwhile */
    struct histogram delays;
    struct usage before, after;
    long first, most;   /* bytes of the server when it began, and the most since */
};

extern struct rung rung;
size_t lengthOf(uint64_t tokens);
void openProducers(int count);
void fillStream(struct stream *s, uint64_t tokens);
struct progress *progressOf(const struct conn *c, const struct stream *s);
struct conn *joiner(int number);
void ask(struct conn *c, struct stream *s);
/* Let the first streams grow; `meanwhile` is called again and again. */
void growStreams(int count, double rate, double warm, double seconds, void (*meanwhile)(int64_t t));
void endStreams(int count);
bool hasAll(const struct conn *c, int from, int to);
void printRung(const char *name, int count, int watchers);
void sceneTokens(int count, double rate, double seconds);

/* joins.c */
void sceneLate(int count, double rate, double seconds);
void sceneJoins(double rate, double seconds);
void sceneStalled(int count, double rate, double seconds);

#endif
