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

enum { ROLE_SUBSCRIBER, ROLE_PUBLISHER, ROLE_HEAVY_PUBLISHER };

/* A message for which no other rule is known is a delivery if it begins with `delivery`. */
struct dialect {
    const char *name;
    const char *delivery;
    bool lines;     /* one WebSocket message may carry several, one a line */
    bool acks;      /* a publication is answered */
    bool positions; /* a subscriber can go on from where it was */
    /* Write the path that a client asks for. */
    void (*path)(struct conn *c, char *to, size_t size);
    /* Go on after the opening. */
    void (*opened)(struct conn *c);
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
    const char *key;
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
void stallReading(struct conn *c); /* for good */
void sendText(struct conn *c, const char *text, size_t length);
void poll_(int64_t until);   /* let things happen until then, at the longest */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Called for each delivery, as the scene wants it. */
typedef void (*deliveryHandler)(struct conn *c, const char *text, size_t length, int64_t at);
extern deliveryHandler onDelivery;
/* Called for each answer to a publication; number is -1 where the answer names none. */
extern void (*onAck)(int64_t number, int64_t at);

/* scenes.c, resume.c */
void sceneCrowd(void);
void sceneFanout(int count, char **phases);
void sceneStall(double reading, double stalled, double rate);
void sceneAcks(int count, char **windows);
void sceneResume(void);
void openAll(void);          /* all subscribers, some at a time */
struct conn *openPublisher(int role);
void publish(struct conn *c, const char *topic, uint64_t number, int pad, bool keep);

#endif
