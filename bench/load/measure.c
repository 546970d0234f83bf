/* Time, distributions, and what the system under test uses. */

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Sixty-four steps to each power of two: a value is known to within 1.6 %. */
static int bucketOf(int64_t value)
{
    if (value < 64)
        return (int)value;
    int shift = 57 - __builtin_clzll((unsigned long long)value);
    return (shift + 1) * 64 + (int)((value >> shift) - 64);
}

static double middleOf(int bucket)
{
    if (bucket < 64)
        return bucket;
    int shift = bucket / 64 - 1;
    return (double)((int64_t)(bucket % 64 + 64) << shift) + (double)((int64_t)1 << shift) / 2;
}

void record(struct histogram *h, int64_t value)
{
    if (value < 0)
        value = 0;
    h->counts[bucketOf(value)]++;
    h->total++;
    if (value > h->max)
        h->max = value;
}

double quantile(const struct histogram *h, double q)
{
    if (!h->total)
        return -1;
    uint64_t wanted = (uint64_t)(q * (double)(h->total - 1)) + 1, seen = 0;
    for (int i = 0; i < 64 * 64; i++)
        if ((seen += h->counts[i]) >= wanted)
            return middleOf(i) / 1000;
    return (double)h->max / 1000;
}

static bool readFile(const char *path, char *to, size_t size)
{
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    size_t got = fread(to, 1, size - 1, f);
    to[got] = 0;
    fclose(f);
    return got > 0;
}

double serverSeconds(void)
{
    double total = 0;
    for (int i = 0; i < options.pidCount; i++) {
        char path[64], text[1024];
        snprintf(path, sizeof path, "/proc/%d/stat", options.pids[i]);
        if (!readFile(path, text, sizeof text))
            continue;
        unsigned long user, kernel;
        char *rest = strrchr(text, ')');
        if (rest && sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                           &kernel) == 2)
            total += (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
    }
    return total;
}

long serverBytes(void)
{
    long total = 0;
    for (int i = 0; i < options.pidCount; i++) {
        char path[64], text[256];
        long resident;
        snprintf(path, sizeof path, "/proc/%d/statm", options.pids[i]);
        if (readFile(path, text, sizeof text) && sscanf(text, "%*d %ld", &resident) == 1)
            total += resident * sysconf(_SC_PAGESIZE);
    }
    return total;
}

double ownSeconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

struct usage usage(void)
{
    return (struct usage){serverSeconds(), ownSeconds(), now()};
}

const char *find(const char *text, size_t length, const char *what)
{
    size_t wanted = strlen(what);
    const char *found = memmem(text, length, what, wanted);
    return found ? found + wanted : NULL;
}

int64_t numberAfter(const char *text, size_t length, const char *what)
{
    const char *at = find(text, length, what), *end = text + length;
    if (!at)
        return -1;
    if (at < end && *at == '"')
        at++;
    if (at >= end || *at < '0' || *at > '9')
        return -1;
    int64_t number = 0;
    while (at < end && *at >= '0' && *at <= '9')
        number = number * 10 + (*at++ - '0');
    return number;
}
