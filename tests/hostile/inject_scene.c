/* The scenes: what is played, and the settings of the library that it is played with. Together they
 * lead to every call that the library makes. */
#include "inject.h"

#include <stddef.h>

#define QUICK                                                                                      \
    "SAFECLOSE_LINGER_IDLE=60ms", "SAFECLOSE_LINGER_TIME=200ms", "SAFECLOSE_EXIT_WAIT=200ms"

const struct scene scenes[] = {
    {"place", "place", STDERR_PIPE, {NULL}, false},
    {"doors",
     "doors",
     STDERR_PIPE,
     {QUICK, "SAFECLOSE_LOG=log.%p", "SAFECLOSE_EVENTS=all", "SAFECLOSE_PREVIEW=64",
      "SAFECLOSE_STACK=8"},
     false},
    {"doors-text", "doors", STDERR_PIPE, {QUICK}, true},
    {"ways", "ways", STDERR_FILE, {QUICK, "SAFECLOSE_FORMAT=json"}, false},
    {"epoll", "epoll", STDERR_PIPE, {QUICK, "SAFECLOSE_LOG=log"}, false},
    {"share", "share", STDERR_PIPE, {QUICK, "SAFECLOSE_LOG=log"}, false},
    {"spawn", "spawn", STDERR_PIPE, {QUICK}, false},
    {"threads", "threads", STDERR_PIPE, {QUICK, "SAFECLOSE_LOG=log"}, false},
    {"root", "root", STDERR_PIPE, {QUICK, "SAFECLOSE_LOG=log"}, false},
    {"rights", "rights", STDERR_PIPE, {QUICK}, false},
    {"hidden", "hidden", STDERR_PIPE, {QUICK}, false},
    {"ends", "ends", STDERR_PIPE, {QUICK, "SAFECLOSE_STACK=0"}, false},
    {"sandbox", "sandbox", STDERR_SOCKET, {QUICK}, false},
    {"broken", "few", STDERR_BROKEN, {QUICK}, false},
    {"inetd", "few", STDERR_CONNECTION, {QUICK}, false},
    {"terminal", "few", STDERR_TERMINAL, {QUICK, "SAFECLOSE_EVENTS=all"}, false},
    {"syslog", "few", STDERR_PIPE, {QUICK, "SAFECLOSE_LOG=syslog", "SAFECLOSE_EVENTS=all"}, false},
    {"link", "few", STDERR_PIPE, {QUICK, "SAFECLOSE_LOG=link", "SAFECLOSE_PORTS=1-65535"}, false},
    {"absolute", "few", STDERR_PIPE, {QUICK, "SAFECLOSE_LOG=absolute"}, false},
    {"twice", "few", STDERR_PIPE, {QUICK, "SAFECLOSE_LOG=twice"}, false},
    {"fifo", "few", STDERR_PIPE, {QUICK, "SAFECLOSE_LOG=fifo"}, false},
    {"number", "few", STDERR_PIPE, {QUICK, "SAFECLOSE_LOG=/proc/self/fd/2"}, false},
    {"control", "few", STDERR_PIPE, {QUICK, "SAFECLOSE_CONTROL=control"}, false},
    {"moves", "moves", STDERR_PIPE, {QUICK, "SAFECLOSE_LOG=moves"}, false},
    {"wrong",
     "few",
     STDERR_PIPE,
     {QUICK, "SAFECLOSE_LOG=missing/log", "SAFECLOSE_STACK=many"},
     false},
};

const int scene_count = (int)(sizeof(scenes) / sizeof(scenes[0]));
