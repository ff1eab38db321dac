#include "safeclose.h"

#include "quiet.h"
#include "sink_stderr.h"

static struct identity original; /* constructor */
static _Atomic bool torn;

void sink_stderr_start(void)
{
    original = quiet_identity(STDERR_FILENO);
}

/* A daemon closes 0 to 2 and may get a connection as number 2: a line there would go to its client.
 */
bool sink_stderr_write(const char *bytes, size_t len)
{
    struct identity now = quiet_identity(STDERR_FILENO);

    return quiet_same(&original, &now) && quiet_write(STDERR_FILENO, &now, bytes, len, &torn);
}
