/* The scenes: what is played, and the settings of the library that it is played with. Together they
 * lead to every call that the library makes. */
#include "inject.h"

#include <stddef.h>

#define QUICK                                                                                      \
    "SAFECLOSE_LINGER_IDLE=60ms", "SAFECLOSE_LINGER_TIME=200ms", "SAFECLOSE_EXIT_WAIT=200ms"

const struct scene scenes[] = {
    {"place", "place", STDERR_PIPE, {NULL}},
    {"doors",
     "doors",
     STDERR_PIPE,
     {QUICK, "SAFECLOSE_LOG=log.%p", "SAFECLOSE_EVENTS=all", "SAFECLOSE_PREVIEW=64",
      "SAFECLOSE_STACK=8"}},
    {"doors-text", "doors", STDERR_PIPE, {QUICK}},
    {"ways", "ways", STDERR_FILE, {QUICK, "SAFECLOSE_FORMAT=json"}},
    {"epoll", "epoll", STDERR_PIPE, {QUICK, "SAFECLOSE_LOG=log"}},
    {"share", "share", STDERR_PIPE, {QUICK, "SAFECLOSE_LOG=log"}},
    {"spawn", "spawn", STDERR_PIPE, {QUICK}},
    {"threads", "threads", STDERR_PIPE, {QUICK, "SAFECLOSE_LOG=log"}},
    {"rights", "rights", STDERR_PIPE, {QUICK}},
    {"hidden", "hidden", STDERR_PIPE, {QUICK}},
    {"ends", "ends", STDERR_PIPE, {QUICK, "SAFECLOSE_STACK=0"}},
    {"sandbox", "sandbox", STDERR_SOCKET, {QUICK}},
    {"terminal", "few", STDERR_TERMINAL, {QUICK, "SAFECLOSE_EVENTS=all"}},
    {"syslog", "few", STDERR_PIPE, {QUICK, "SAFECLOSE_LOG=syslog", "SAFECLOSE_EVENTS=all"}},
    {"link", "few", STDERR_PIPE, {QUICK, "SAFECLOSE_LOG=link", "SAFECLOSE_PORTS=1-65535"}},
    {"wrong", "few", STDERR_PIPE, {QUICK, "SAFECLOSE_LOG=missing/log", "SAFECLOSE_STACK=many"}},
};

const int scene_count = (int)(sizeof(scenes) / sizeof(scenes[0]));
