/* Plays an MTA that hands messages to a milter as fast as the milter takes them, and prints how that went as JSON.
 *
 *   loadgen -s unix:PATH|inet:127.0.0.1:PORT -f PACK [-c CONNECTIONS] [-m MESSAGES_PER_CONNECTION]
 *           [-d SECONDS|-n MESSAGES] [-o EDITS]
 *
 * One thread; so many connections at a time, each sending messages of the pack one after the other. It ends after
 * MESSAGES, or, with -d, after as many whole passes over the pack as SECONDS need. EDITS: a file for what the milter
 * changes. Latencies are in milliseconds, to the verdict: `whole` from connect() (from MAIL, where a connection has
 * carried a message before), `mail` from MAIL, `end` from the end of the message. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "connection.h"

enum { EVENTS = 256, PATIENCE = 60, ERRORS = 1000 };

static struct {
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_in inet;
    } address;
    socklen_t address_length;
    const char* file;
    int connections, per_connection;
    double seconds;
    long messages;
} options = {.connections = 1, .per_connection = 1};

static pack load;
static int epoll;
static double deadline;
static long started, ended, edits, errors, active, waiting;
static long verdicts[256];
static float *whole, *mail, *end;

static bool is_more_wanted(void) {
    if (options.messages) return started < options.messages;
    return started % load.count || now() < deadline;
}

static const message* next_message(void) { return &load.messages[started++ % load.count]; }

static void watch(connection* c, int operation) {
    struct epoll_event event = {.events = EPOLLIN | (c->wants_room ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(epoll, operation, c->fd, &event);
}

static void try_to_dial(connection* c) {
    dial(c, &options.address.any, options.address_length);
    if (c->state == CONNECTING) watch(c, EPOLL_CTL_ADD);
    if (c->state == WAITING_FOR_ROOM) waiting++;
}

static void open_next(connection* c) {
    if (!is_more_wanted()) {
        active--;
        return;
    }
    c->message = next_message();
    c->remaining = options.per_connection;
    c->received = 0;
    c->begun = now();
    try_to_dial(c);
}

static void record(connection* c) {
    if ((ended & (ended - 1)) == 0) {
        size_t room = (ended ? 2 * ended : 1) * sizeof(float);
        whole = realloc(whole, room);
        mail = realloc(mail, room);
        end = realloc(end, room);
    }
    double time = now();
    whole[ended] = time - c->begun;
    mail[ended] = time - c->mailed;
    end[ended++] = c->message->packets[c->awaited].kind == 'E' ? time - c->ending : 0;
    verdicts[(unsigned char)c->verdict]++;
    edits += c->edits;
    c->edits = 0;
    c->begun = time;
}

static void fail(connection* c) {
    fprintf(stderr, "loadgen: a connection broke, in state %d, at packet %u\n", c->state, c->awaited);
    if (++errors > ERRORS) exit(3);
    c->state = IDLE;
    c->message = NULL;
    close(c->fd);
    open_next(c);
}

static progress finish(connection* c) {
    record(c);
    bool at_its_end = c->message->packets[c->awaited].kind == 'E';
    if (--c->remaining && at_its_end && is_more_wanted()) return begin_message(c, next_message());
    hang_up(c);
    open_next(c);
    return GOES_ON;
}

static void handle(connection* c, uint32_t events) {
    progress result = GOES_ON;
    bool wanted_room = c->wants_room;
    int fd = c->fd;
    if (events & EPOLLOUT) result = c->state == CONNECTING ? greet(c) : go_on_writing(c);
    if (result == GOES_ON && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) result = read_answers(c);
    if (result == MESSAGE_ENDED) result = finish(c);
    if (result == FAILED) return fail(c);
    if (c->state >= NEGOTIATING && c->fd == fd && c->wants_room != wanted_room) watch(c, EPOLL_CTL_MOD);
}

static void retry(connection* all) {
    if (!waiting) return;
    waiting = 0;
    for (connection* c = all; c < all + options.connections; c++)
        if (c->state == WAITING_FOR_ROOM) try_to_dial(c);
}

static void check_patience(void) {
    static long seen;
    static double since;
    if (ended != seen || !since) {
        seen = ended;
        since = now();
    } else if (now() - since > PATIENCE) {
        fprintf(stderr, "loadgen: nothing for %d s\n", PATIENCE);
        exit(4);
    }
}

static void run(connection* all) {
    struct epoll_event events[EVENTS];
    while (active) {
        int count = epoll_wait(epoll, events, EVENTS, waiting ? 1 : 1000);
        for (int i = 0; i < count; i++) handle(events[i].data.ptr, events[i].events);
        retry(all);
        check_patience();
    }
}

static int compare(const void* a, const void* b) {
    float x = *(const float*)a, y = *(const float*)b;
    return (x > y) - (x < y);
}

static void print_latency(const char* name, float* times) {
    qsort(times, ended, sizeof *times, compare);
    printf("\"%s\": {\"p50\": %.4f, \"p99\": %.4f, \"max\": %.4f}, ", name, times[(ended - 1) / 2] * 1e3,
           times[(ended - 1) * 99 / 100] * 1e3, times[ended - 1] * 1e3);
}

static void print_report(double seconds) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
    printf("{\"messages\": %ld, \"seconds\": %.4f, \"cpu\": %.4f, ", ended, seconds, cpu);
    if (ended) {
        print_latency("whole", whole);
        print_latency("mail", mail);
        print_latency("end", end);
    }
    printf("\"edits\": %ld, \"errors\": %ld, \"verdicts\": {", edits, errors);
    const char* separator = "";
    for (int letter = 0; letter < 256; letter++)
        if (verdicts[letter]) {
            printf("%s\"%c\": %ld", separator, letter, verdicts[letter]);
            separator = ", ";
        }
    printf("}}\n");
}

static void parse_address(const char* text) {
    char host[64];
    int port;
    if (!strncmp(text, "unix:", 5)) {
        options.address.local.sun_family = AF_UNIX;
        strncpy(options.address.local.sun_path, text + 5, sizeof options.address.local.sun_path - 1);
        options.address_length = sizeof options.address.local;
    } else if (sscanf(text, "inet:%63[^:]:%d", host, &port) == 2) {
        options.address.inet.sin_family = AF_INET;
        options.address.inet.sin_port = htons(port);
        inet_pton(AF_INET, host, &options.address.inet.sin_addr);
        options.address_length = sizeof options.address.inet;
    }
}

static bool parse_options(int count, char** words) {
    for (int option; (option = getopt(count, words, "s:f:c:m:d:n:o:")) > 0;) switch (option) {
            case 's':
                parse_address(optarg);
                break;
            case 'f':
                options.file = optarg;
                break;
            case 'c':
                options.connections = atoi(optarg);
                break;
            case 'm':
                options.per_connection = atoi(optarg);
                break;
            case 'd':
                options.seconds = atof(optarg);
                break;
            case 'o':
                edits_output = fopen(optarg, "w");
                break;
            case 'n':
                options.messages = atol(optarg);
                break;
            default:
                return false;
        }
    return options.file && options.address_length;
}

int main(int count, char** words) {
    if (!parse_options(count, words)) {
        fprintf(stderr, "usage: the first lines of loadgen.c\n");
        return 2;
    }
    load = read_pack(options.file);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    connection* all = calloc(options.connections, sizeof *all);
    double begun = now();
    deadline = begun + options.seconds;
    active = options.connections;
    for (int i = 0; i < options.connections; i++) open_next(&all[i]);
    run(all);
    print_report(now() - begun);
    return errors != 0;
}
