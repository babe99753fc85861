/* One connection of the MTA that loadgen plays: what it has sent, and what it waits for. */

#ifndef CONNECTION_H
#define CONNECTION_H

#include <stdio.h>
#include <sys/socket.h>

#include "pack.h"

typedef enum { IDLE, WAITING_FOR_ROOM, CONNECTING, NEGOTIATING, TALKING } state;

/* What has come of reading or writing. FAILED: the filter has closed the connection, or speaks nonsense. */
typedef enum { GOES_ON, MESSAGE_ENDED, FAILED } progress;

typedef struct {
    int fd;
    state state;
    const message* message;
    uint32_t next;    /* the packet to be written now */
    uint32_t offset;  /* octets of it that are written */
    uint32_t awaited; /* the packet whose answer comes next; those before it have none */
    uint32_t steps;   /* as negotiated */
    bool skips_body;
    bool wants_room; /* the kernel took only a part of what was to be written */
    char input[1 << 16];
    uint32_t received; /* octets of it */
    int remaining;     /* messages for this connection */
    double begun;      /* s, monotonic: connect() for the first message, MAIL for later ones */
    double mailed;     /* s: when MAIL was written */
    double ending;     /* s: when the end of the message was written */
    char verdict;      /* the letter of the answer to a message that has ended; 4 and 5 for a reply with a text */
    long edits;        /* answers that change the message */
} connection;

/* Where edits are written, a line for each: something that tells its message from others, and the text. Or NULL. */
extern FILE* edits_output;

double now(void);

/* Begin. IDLE → WAITING_FOR_ROOM (the listener's queue is full: call it again), CONNECTING or NEGOTIATING. */
void dial(connection* c, const struct sockaddr* address, socklen_t length);

/* The first message of a connection that is open, and another one on it. */
progress greet(connection* c);
progress begin_message(connection* c, const message* which);

progress go_on_writing(connection* c);
progress read_answers(connection* c);
void hang_up(connection* c);

#endif
