#include "pack.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { HEADER_HAS_BLANK = 0x100000 }; /* SMFIP_HDR_LEADSPC */

/* Which step switches a packet off (SMFIP_NO…), and which its answer (SMFIP_NR_…). */
static const struct {
    char kind;
    uint32_t unsent, unanswered;
} STEPS[] = {
    {'C', 0x1, 0x1000}, {'H', 0x2, 0x2000}, {'M', 0x4, 0x4000},   {'R', 0x8, 0x8000},   {'T', 0x200, 0x10000},
    {'L', 0x20, 0x80},  {'l', 0x20, 0x80},  {'N', 0x40, 0x40000}, {'B', 0x10, 0x80000}, {'E', 0, 0},
};

static uint32_t step_of(char kind, bool answer) {
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++)
        if (STEPS[i].kind == kind) return answer ? STEPS[i].unanswered : STEPS[i].unsent;
    fprintf(stderr, "loadgen: a packet of kind %c\n", kind);
    exit(2);
}

bool is_sent(char kind, uint32_t steps) {
    if (kind == 'L' && !(steps & HEADER_HAS_BLANK)) return false;
    if (kind == 'l' && steps & HEADER_HAS_BLANK) return false;
    return !(steps & step_of(kind, false));
}

bool is_answered(char kind, uint32_t steps) { return !(steps & step_of(kind, true)); }

static uint32_t number(char** at) {
    uint32_t value;
    memcpy(&value, *at, sizeof value);
    *at += sizeof value;
    return value;
}

static char* contents(const char* path) {
    struct stat status;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &status)) {
        perror(path);
        exit(2);
    }
    char* octets = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (octets == MAP_FAILED) {
        perror(path);
        exit(2);
    }
    return octets;
}

static message read_message(char** at) {
    message found = {.count = number(at)};
    found.packets = calloc(found.count, sizeof *found.packets);
    for (packet* each = found.packets; each < found.packets + found.count; each++) {
        each->kind = *(*at)++;
        each->length = number(at);
        each->octets = *at;
        *at += each->length;
    }
    return found;
}

pack read_pack(const char* path) {
    char* at = contents(path);
    pack found = {.count = number(&at)};
    found.messages = calloc(found.count, sizeof *found.messages);
    for (uint32_t i = 0; i < found.count; i++) found.messages[i] = read_message(&at);
    return found;
}
