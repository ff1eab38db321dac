#define SAFECLOSE_MAY_CALL_LIBC
#include "safeclose.h"

#include "ground/loaded.h"
#include "ground/real.h"
#include "ground/real_late.h"

#include <dlfcn.h>

/* Before glibc 2.34 they are in libdl, without which a program can't open a library. Written by real_resolve_late. */
static struct {
    void *(*dlopen)(const char *file, int flags);
    void *(*dlsym)(void *opened, const char *name);
} loader;

void real_resolve_late(void)
{
    loaded_find(LOADED_NEXT, "dlopen\0dlsym\0", (void **)&loader);
}

/* The name ends with two NUL. What is found while no library of that name is loaded is not kept, because it may go. */
static void *late(void **kept, const char *library, const char *name)
{
    void *found;
    void *opened;

    if (!*kept && loader.dlsym && (opened = loader.dlopen(library, RTLD_LAZY | RTLD_NOLOAD))) {
        *kept = loader.dlsym(RTLD_NEXT, name);
        if (!*kept)
            *kept = loader.dlsym(opened, name);
    }
    found = *kept;
    loaded_find(LOADED_NEXT, name, &found); /* looks where that is NULL */
    return found;
}

static int is_missing(void)
{
    errno = ENOSYS;
    return -1;
}

/* These two are in libc since glibc 2.34. Of an older one they are not kept if only a module has their library. */
pid_t real_forkpty(int *master, char *name, const struct termios *termios,
                   const struct winsize *size)
{
    static void *kept;
    pid_t (*function)(int *, char *, const struct termios *, const struct winsize *) =
        late(&kept, "libc.so.6", "forkpty\0");

    return function ? function(master, name, termios, size) : is_missing();
}

int real_mq_notify(int queue, const struct sigevent *event)
{
    static void *kept;
    int (*function)(int, const struct sigevent *) = late(&kept, "libc.so.6", "mq_notify\0");

    return function ? function(queue, event) : is_missing();
}

static int relabel(void **kept, const char *library, const char *name, const char *label,
                   unsigned long token)
{
    int (*function)(const char *, unsigned long) = late(kept, library, name);

    return function ? function(label, token) : is_missing();
}

int real_setcon(const char *context, unsigned long none)
{
    static void *kept;

    return relabel(&kept, "libselinux.so.1", "setcon\0", context, none);
}

int real_setcon_raw(const char *context, unsigned long none)
{
    static void *kept;

    return relabel(&kept, "libselinux.so.1", "setcon_raw\0", context, none);
}

int real_aa_change_profile(const char *profile, unsigned long none)
{
    static void *kept;

    return relabel(&kept, "libapparmor.so.1", "aa_change_profile\0", profile, none);
}

int real_aa_change_hat(const char *hat, unsigned long token)
{
    static void *kept;

    return relabel(&kept, "libapparmor.so.1", "aa_change_hat\0", hat, token);
}
