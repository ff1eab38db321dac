/* In which epoll sets a connection is. This hook only watches. */
#include "../safeclose.h"

#include "../boundary.h"
#include "../real.h"
#include "../track.h"

EXPORT int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    int ret = real_epoll_ctl(epoll, operation, fd, event);

    if (ret == 0 && boundary_enter())
        track_epoll(epoll, operation, fd);
    return ret;
}
