/* A milter that does nothing, with every callback: what libmilter itself costs. Its one argument is the socket. */

#include <libmilter/mfapi.h>
#include <stddef.h>
#include <sys/types.h>

static sfsistat connected(SMFICTX* ctx, char* name, _SOCK_ADDR* address) { return SMFIS_CONTINUE; }
static sfsistat word(SMFICTX* ctx, char* text) { return SMFIS_CONTINUE; }
static sfsistat words(SMFICTX* ctx, char** texts) { return SMFIS_CONTINUE; }
static sfsistat header(SMFICTX* ctx, char* name, char* value) { return SMFIS_CONTINUE; }
static sfsistat event(SMFICTX* ctx) { return SMFIS_CONTINUE; }
static sfsistat body(SMFICTX* ctx, unsigned char* octets, size_t length) { return SMFIS_CONTINUE; }
static sfsistat unknown(SMFICTX* ctx, const char* command) { return SMFIS_CONTINUE; }

int main(int count, char** arguments) {
    struct smfiDesc filter = {
        .xxfi_name = "empty",
        .xxfi_version = SMFI_VERSION,
        .xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS,
        .xxfi_connect = connected,
        .xxfi_helo = word,
        .xxfi_envfrom = words,
        .xxfi_envrcpt = words,
        .xxfi_header = header,
        .xxfi_eoh = event,
        .xxfi_body = body,
        .xxfi_eom = event,
        .xxfi_abort = event,
        .xxfi_close = event,
        .xxfi_unknown = unknown,
        .xxfi_data = event,
    };
    if (count != 2 || smfi_setconn(arguments[1]) != MI_SUCCESS || smfi_setbacklog(1024) != MI_SUCCESS ||
        smfi_register(filter) != MI_SUCCESS)
        return 1;
    return smfi_main();
}
