#include "safeclose.h"

#include "quiet.h"
#include "sink_stderr.h"
#include "sys.h"

static struct identity original; /* constructor */
static _Atomic bool torn;

void sink_stderr_start(void)
{
    long domain = sys_getsockopt_int(STDERR_FILENO, SOL_SOCKET, SO_DOMAIN);

    /* An inetd service's stderr is its connection: what we write there its client would read. */
    if (domain != AF_INET && domain != AF_INET6)
        original = quiet_identity(STDERR_FILENO);
}

/* A daemon closes 0 to 2 and may get a connection as number 2: a line there would go to its client.
 */
bool sink_stderr_write(const char *bytes, size_t len)
{
    struct identity now = quiet_identity(STDERR_FILENO);

    return quiet_same(&original, &now) && quiet_write(STDERR_FILENO, &now, bytes, len, &torn);
}
