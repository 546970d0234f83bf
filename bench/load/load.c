/* load: drive one system under test, and say in JSON how it did. */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "load.h"

struct options options = {
    .topic = "bench/x", .heavyTopic = "bench/heavy", .subscribers = 100, .inflight = 500,
    .opening = 60, .settle = 2, .wire = 160, .heavyRate = 300, .heavyBytes = 16384, .missed = 1000,
    .topics = 1,
};

static const char *const USAGE =
    "load --dialect NAME --port PORT [options] crowd | fanout PHASE... | stall SECONDS SECONDS RATE |"
    " acks PHASE... | resume | rooms MEMBERS TALKERS MS PHASE... |"
    " tokens STREAMS RATE SECONDS | late STREAMS RATE SECONDS |"
    " joins RATE SECONDS | stalled STREAMS RATE SECONDS";

static void choose(const char *name)
{
    for (int i = 0; DIALECTS[i]; i++)
        if (!strcmp(DIALECTS[i]->name, name))
            options.dialect = DIALECTS[i];
    if (!options.dialect)
        die("there is no dialect %s", name);
}

static void addPids(char *text)
{
    for (char *part = strtok(text, ","); part && options.pidCount < 64; part = strtok(NULL, ","))
        options.pids[options.pidCount++] = atoi(part);
}

static void read_(int argc, char **argv)
{
    enum { DIALECT, PORT, TLS_, KEY, TOPIC, PIDS, SUBSCRIBERS, INFLIGHT, OPENING, SETTLE, WIRE,
           MISSED, PUBLISHER, LIMIT, TOPICS, PRODUCER_KEY, JOINERS, TOKENS };
    static const struct option known[] = {
        {"dialect", 1, 0, DIALECT}, {"port", 1, 0, PORT}, {"tls", 0, 0, TLS_},
        {"key", 1, 0, KEY}, {"topic", 1, 0, TOPIC}, {"pids", 1, 0, PIDS},
        {"subscribers", 1, 0, SUBSCRIBERS}, {"inflight", 1, 0, INFLIGHT},
        {"opening", 1, 0, OPENING}, {"settle", 1, 0, SETTLE}, {"wire", 1, 0, WIRE},
        {"missed", 1, 0, MISSED}, {"publisher", 1, 0, PUBLISHER},
        {"limit", 1, 0, LIMIT}, {"topics", 1, 0, TOPICS},
        {"producer-key", 1, 0, PRODUCER_KEY}, {"joiners", 1, 0, JOINERS},
        {"tokens", 1, 0, TOKENS}, {0, 0, 0, 0},
    };
    unsigned limit = 120;
    int found;
    while ((found = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (found) {
        case DIALECT: choose(optarg); break;
        case PORT: options.port = atoi(optarg); break;
        case TLS_: options.tls = true; break;
        case KEY: options.key = optarg; break;
        case TOPIC: options.topic = optarg; break;
        case PIDS: addPids(optarg); break;
        case SUBSCRIBERS: options.subscribers = atoi(optarg); break;
        case INFLIGHT: options.inflight = atoi(optarg); break;
        case OPENING: options.opening = atof(optarg); break;
        case SETTLE: options.settle = atof(optarg); break;
        case WIRE: options.wire = atoi(optarg); break;
        case MISSED: options.missed = atoi(optarg); break;
        case PUBLISHER: options.publisher = atoi(optarg); break;
        case TOPICS: options.topics = atoi(optarg); break;
        case PRODUCER_KEY: options.producerKey = optarg; break;
        case JOINERS: options.joiners = atoi(optarg); break;
        case TOKENS: options.tokens = atoi(optarg); break;
        case LIMIT: limit = (unsigned)atoi(optarg); break;
        default: die("%s", USAGE);
        }
    }
    if (!options.dialect || !options.port || optind >= argc)
        die("%s", USAGE);
#ifndef TLS
    if (options.tls)
        die("this generator was built without TLS");
#endif
    alarm(limit); /* whatever happens, it ends */
}

int main(int argc, char **argv)
{
    struct rlimit files;
    read_(argc, argv);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    const char *scene = argv[optind++];
    int rest = argc - optind;
    prepare(options.subscribers + MAX_STREAMS + options.joiners);
    if (!strcmp(scene, "crowd"))
        sceneCrowd();
    else if (!strcmp(scene, "fanout"))
        sceneFanout(rest, argv + optind);
    else if (!strcmp(scene, "stall") && rest == 3)
        sceneStall(atof(argv[optind]), atof(argv[optind + 1]), atof(argv[optind + 2]));
    else if (!strcmp(scene, "acks"))
        sceneAcks(rest, argv + optind);
    else if (!strcmp(scene, "rooms") && rest > 3)
        sceneRooms(atoi(argv[optind]), atoi(argv[optind + 1]), atof(argv[optind + 2]), rest - 3,
                   argv + optind + 3);
    else if (!strcmp(scene, "resume"))
        sceneResume();
    else if (!strcmp(scene, "tokens") && rest == 3)
        sceneTokens(atoi(argv[optind]), atof(argv[optind + 1]), atof(argv[optind + 2]));
    else if (!strcmp(scene, "late") && rest == 3)
        sceneLate(atoi(argv[optind]), atof(argv[optind + 1]), atof(argv[optind + 2]));
    else if (!strcmp(scene, "joins") && rest == 2)
        sceneJoins(atof(argv[optind]), atof(argv[optind + 1]));
    else if (!strcmp(scene, "stalled") && rest == 3)
        sceneStalled(atoi(argv[optind]), atof(argv[optind + 1]), atof(argv[optind + 2]));
    else
        die("%s", USAGE);
    return 0;
}
