#include "safeclose.h"

#include "ground/file.h"
#include "ground/own_fd.h"
#include "ground/sys.h"

#include <sys/resource.h>

/* High enough to be out of the way, low enough that the kernel's table does not grow by much. */
#define PREFERRED 1000
#define ROOM_ABOVE 24

/* -1, and fd closed, where that can't be: low numbers are the program's. */
static int move_up(int fd)
{
    struct rlimit limit = {PREFERRED, PREFERRED};
    long floor = PREFERRED;
    long high;

    sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, SYS_ARG(&limit));
    if (limit.rlim_cur < PREFERRED + ROOM_ABOVE)
        floor = limit.rlim_cur > 2 * ROOM_ABOVE ? (long)limit.rlim_cur - ROOM_ABOVE
                                                : (long)limit.rlim_cur / 2;
    high = sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, floor);
    sys1(SYS_close, fd);
    return high < 0 ? -1 : (int)high;
}

static void own_fd_remember(struct own_fd *own, const struct identity *file, int number)
{
    atomic_store(&own->dev, file->dev);
    atomic_store(&own->ino, file->ino);
    atomic_store(&own->mode, file->mode);
    atomic_store(&own->born, file->born);
    atomic_store(&own->number, number);
}

void own_fd_is(struct own_fd *own, int number)
{
    struct identity file = file_identity(number);

    own_fd_remember(own, &file, file.mode ? number : -1);
}

void own_fd_keep(struct own_fd *own, int fd)
{
    int number = own_fd_check(own);
    struct identity file = file_identity(fd);

    if (number >= 0 && sys3(SYS_dup3, fd, number, O_CLOEXEC) == number)
        sys1(SYS_close, fd);
    else
        number = move_up(fd);
    own_fd_remember(own, &file, number);
}

struct identity own_fd_file(const struct own_fd *own)
{
    struct identity file = {atomic_load(&own->dev), atomic_load(&own->ino), atomic_load(&own->mode),
                            atomic_load(&own->born)};
    return file;
}

int own_fd_check(const struct own_fd *own)
{
    int number = atomic_load(&own->number);
    struct identity now;
    struct identity file;

    if (number < 0)
        return -1;
    now = file_identity(number);
    file = own_fd_file(own);
    return file_same(&file, &now) ? number : -1;
}
