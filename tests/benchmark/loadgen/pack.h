/* The messages of a load, as packets of the milter protocol that are ready to be written. */

#ifndef PACK_H
#define PACK_H

#include <stdbool.h>
#include <stdint.h>

/* One command with the macros that go before it. kind: the letter of the command; a header field comes twice,
 * as 'L' with the blank after its colon and as 'l' without. */
typedef struct {
    char kind;
    uint32_t length;
    char* octets;
} packet;

typedef struct {
    packet* packets;
    uint32_t count;
} message;

typedef struct {
    message* messages;
    uint32_t count;
} pack;

/* Read a file; ends the process with a word on stderr where it cannot.
 *
 * Little-endian: the number of messages; for each, the number of its packets; for each packet its kind (one octet),
 * its length, its octets. Numbers have four octets. */
pack read_pack(const char* path);

/* Whether the filter wants the packet at all, by the steps it negotiated (SMFIP_*), and whether it answers it. */
bool is_sent(char kind, uint32_t steps);
bool is_answered(char kind, uint32_t steps);

#endif
