#define _GNU_SOURCE
#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { VECTORS = 256, VERSION = 6, ACTIONS = 0x1ff, STEPS = 0x1fffff };
enum { ANSWER_MIN = 13, PREFIX = 4 };

static const char QUIT[] = {0, 0, 0, 1, 'Q'};
static const char ABORT[] = {0, 0, 0, 1, 'A'};

FILE* edits_output;

double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static uint32_t network_number(const char* at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return ntohl(value);
}

void dial(connection* c, const struct sockaddr* address, socklen_t length) {
    c->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (address->sa_family == AF_INET) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(c->fd, address, length) == 0 || errno == EINPROGRESS) {
        c->state = CONNECTING;
        c->wants_room = true;
    } else if (errno == EAGAIN || errno == ECONNREFUSED) { /* a unix socket whose queue is full */
        close(c->fd);
        c->state = WAITING_FOR_ROOM;
    } else {
        perror("loadgen: connect");
        exit(2);
    }
}

progress greet(connection* c) {
    uint32_t numbers[] = {htonl(ANSWER_MIN), htonl(VERSION), htonl(ACTIONS), htonl(STEPS)};
    char packet[PREFIX + ANSWER_MIN];
    memcpy(packet, numbers, PREFIX);
    packet[PREFIX] = 'O';
    memcpy(packet + PREFIX + 1, numbers + 1, sizeof numbers - PREFIX);
    c->state = NEGOTIATING;
    c->wants_room = false;
    return write(c->fd, packet, sizeof packet) == sizeof packet ? GOES_ON : FAILED;
}

static bool is_due(const connection* c, uint32_t index) {
    char kind = c->message->packets[index].kind;
    return is_sent(kind, c->steps) && !(kind == 'B' && c->skips_body);
}

/* Write everything up to the next packet that is answered, as an MTA does whose output is buffered. */
static progress advance(connection* c, uint32_t from) {
    for (c->awaited = from; c->awaited < c->message->count; c->awaited++)
        if (is_due(c, c->awaited) && is_answered(c->message->packets[c->awaited].kind, c->steps)) break;
    if (c->awaited == c->message->count) return FAILED;
    for (uint32_t i = from; i <= c->awaited; i++)
        if (c->message->packets[i].kind == 'M') c->mailed = now();
    if (c->message->packets[c->awaited].kind == 'E') c->ending = now();
    return go_on_writing(c);
}

progress begin_message(connection* c, const message* which) {
    uint32_t first = 0;
    if (c->message) /* not the first one of this connection */
        while (which->packets[first].kind != 'M') first++;
    c->message = which;
    c->next = first;
    c->offset = 0;
    c->skips_body = false;
    return advance(c, first);
}

static int gather(const connection* c, struct iovec* vectors) {
    int count = 0;
    for (uint32_t i = c->next; i <= c->awaited && count < VECTORS; i++) {
        uint32_t written = i == c->next ? c->offset : 0;
        const packet* each = &c->message->packets[i];
        if (written || is_due(c, i)) vectors[count++] = (struct iovec){each->octets + written, each->length - written};
    }
    return count;
}

static void account(connection* c, size_t written) {
    while (c->next <= c->awaited) {
        uint32_t left = c->offset || is_due(c, c->next) ? c->message->packets[c->next].length - c->offset : 0;
        if (written < left) {
            c->offset += written;
            return;
        }
        written -= left;
        c->next++;
        c->offset = 0;
        if (!written && c->next <= c->awaited && is_due(c, c->next)) return;
    }
}

progress go_on_writing(connection* c) {
    struct iovec vectors[VECTORS];
    c->wants_room = false;
    while (c->next <= c->awaited) {
        ssize_t written = writev(c->fd, vectors, gather(c, vectors));
        if (written < 0 && errno == EAGAIN) {
            c->wants_room = true;
            return GOES_ON;
        }
        if (written < 0 && errno != EINTR) return FAILED;
        if (written > 0) account(c, written);
    }
    return GOES_ON;
}

static progress negotiated(connection* c, char letter, const char* data, uint32_t length) {
    if (letter != 'O' || length < ANSWER_MIN - 1) return FAILED;
    c->steps = network_number(data + 8);
    c->state = TALKING;
    const message* first = c->message;
    c->message = NULL;
    return begin_message(c, first);
}

static void write_edit(const message* of, const char* data, uint32_t length) {
    fprintf(edits_output, "%p ", (const void*)of);
    for (uint32_t i = 0; i < length; i++) fputc(data[i] < ' ' ? ' ' : data[i], edits_output);
    fputc('\n', edits_output);
}

/* One packet of the filter's. */
static progress heard(connection* c, char letter, const char* data, uint32_t length) {
    if (c->state == NEGOTIATING) return negotiated(c, letter, data, length);
    char asked = c->message->packets[c->awaited].kind;
    if (letter == 'p') return GOES_ON;
    if (strchr("him+-2beq", letter)) {
        c->edits++;
        if (edits_output) write_edit(c->message, data, length);
        return GOES_ON;
    }
    if (letter == 's') c->skips_body = asked == 'B';
    if ((letter == 'c' || letter == 's') && asked != 'E') return advance(c, c->awaited + 1);
    if (!strchr("cartdyf", letter)) return FAILED;
    c->verdict = letter == 'y' && length ? data[0] : letter;
    return MESSAGE_ENDED;
}

/* Every whole packet that has come. */
static progress heard_all(connection* c) {
    uint32_t at = 0;
    progress result = GOES_ON;
    while (result == GOES_ON && c->received - at >= PREFIX) {
        uint32_t length = network_number(c->input + at);
        if (!length || length > sizeof c->input - PREFIX) return FAILED;
        if (c->received - at < PREFIX + length) break;
        result = heard(c, c->input[at + PREFIX], c->input + at + PREFIX + 1, length - 1);
        at += PREFIX + length;
    }
    c->received -= at;
    memmove(c->input, c->input + at, c->received);
    return result;
}

progress read_answers(connection* c) {
    ssize_t count = read(c->fd, c->input + c->received, sizeof c->input - c->received);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return GOES_ON;
    if (count <= 0) return FAILED;
    c->received += count;
    return heard_all(c);
}

void hang_up(connection* c) {
    /* A message that ended before its end leaves the filter in the middle of it. */
    bool open = c->state == TALKING && c->message->packets[c->awaited].kind != 'E';
    if (open && write(c->fd, ABORT, sizeof ABORT) < 0) perror("loadgen: abort");
    if (c->state == TALKING && write(c->fd, QUIT, sizeof QUIT) < 0) perror("loadgen: quit");
    close(c->fd);
    c->state = IDLE;
    c->message = NULL;
}
