#include "safeclose.h"

#include "ground/host.h"
#include "ground/sys.h"

#include <sys/utsname.h>

void host_name(struct text *t)
{
    struct utsname name;

    memset(&name, 0, sizeof(name));
    sys1(SYS_uname, SYS_ARG(&name));
    for (const char *p = name.nodename; *p; p++)
        text_bytes(t, (int8_t)*p <= ' ' || strchr("/\"\\", *p) ? "_" : p, 1);
}
