/*
 * What the command takes from glibc under names that glibc 2.33 and 2.34 gave new versions or made new: the start of
 * the program, stat and fstat. Built on a new system it would not start on an older one: a linker takes the newest version
 * that the machine's libc has. Here are functions of these names that call what every glibc has; they are hidden, so that
 * they are the command's alone. scripts/check-exports fails where another symbol needs more than its limit.
 */
#include <features.h>
#include <sys/stat.h>

#define HIDDEN __attribute__((visibility("hidden")))

#ifdef __GLIBC_PREREQ
#if __GLIBC_PREREQ(2, 33)

/* The layout of struct stat that glibc means by its functions' first parameter. */
#if defined(__i386__)
#define STAT_LAYOUT 3
#elif defined(__x86_64__)
#define STAT_LAYOUT 1
#else
#define STAT_LAYOUT 0
#endif

int __xstat64(int layout, const char *path, struct stat *st);
int __fxstat64(int layout, int fd, struct stat *st);

HIDDEN int stat(const char *restrict path, struct stat *restrict st)
{
    return __xstat64(STAT_LAYOUT, path, st);
}

HIDDEN int fstat(int fd, struct stat *st)
{
    return __fxstat64(STAT_LAYOUT, fd, st);
}
#endif

#if __GLIBC_PREREQ(2, 34)

/* Of this machine's port. */
#if defined(__i386__)
#define FIRST_VERSION "2.0"
#elif defined(__x86_64__)
#define FIRST_VERSION "2.2.5"
#else
#define FIRST_VERSION "2.17"
#endif

typedef int main_function(int argc, char **argv, char **environment);
typedef void start_function(int argc, char **argv, char **environment);

extern start_function *__init_array_start[] HIDDEN;
extern start_function *__init_array_end[] HIDDEN;

int old_start(main_function *main, int argc, char **argv, start_function *begin, void (*end)(void),
              void (*loader_end)(void), void *stack_end);
__asm__(".symver old_start, __libc_start_main@GLIBC_" FIRST_VERSION);

/* Of the program only its own start-up code knows its constructors, as glibc before 2.34 wants it: that passes a
 * function that calls them, and newer start-up code passes none. */
static void call_constructors(int argc, char **argv, char **environment)
{
    for (start_function **f = __init_array_start; f != __init_array_end; f++)
        (*f)(argc, argv, environment);
}

/* The linker's start-up file calls it. */
HIDDEN int __libc_start_main(main_function *main, int argc, char **argv, start_function *begin,
                             void (*end)(void), void (*loader_end)(void), void *stack_end);
int __libc_start_main(main_function *main, int argc, char **argv, start_function *begin,
                      void (*end)(void), void (*loader_end)(void), void *stack_end)
{
    return old_start(main, argc, argv, begin ? begin : call_constructors, end, loader_end,
                     stack_end);
}
#endif
#endif
