/*
 * What the command takes from glibc under names that glibc 2.33, 2.34 and 2.38 gave new versions or made new: the start
 * of the program, stat and fstat, and what reads numbers. Built on a new system it would not start on an older one: a
 * linker takes the newest version that the machine's libc has. Here are functions of these names that call what every
 * glibc has; they are hidden, so that they are the command's alone. scripts/check-exports fails where another symbol
 * needs more than its limit.
 */
#include <features.h>
#include <stdarg.h>
#include <sys/stat.h>

#define HIDDEN __attribute__((visibility("hidden")))

#ifdef __GLIBC_PREREQ
#if __GLIBC_PREREQ(2, 33) && (defined(__LP64__) || !defined(_TIME_BITS) || _TIME_BITS != 64)

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

#if __GLIBC_PREREQ(2, 38)

/* The new ones take binary numbers, too. Their headers would make these the new ones. */
struct _IO_FILE;
long strtol(const char *text, char **end, int base);
long long strtoll(const char *text, char **end, int base);
unsigned long strtoul(const char *text, char **end, int base);
unsigned long long strtoull(const char *text, char **end, int base);
int __isoc99_vfscanf(struct _IO_FILE *stream, const char *format, va_list values);
int __isoc99_vsscanf(const char *text, const char *format, va_list values);

#define READS_NUMBER(type, name)                                                                   \
    HIDDEN type __isoc23_##name(const char *text, char **end, int base);                           \
    type __isoc23_##name(const char *text, char **end, int base)                                   \
    {                                                                                              \
        return name(text, end, base);                                                              \
    }
READS_NUMBER(long, strtol)
READS_NUMBER(long long, strtoll)
READS_NUMBER(unsigned long, strtoul)
READS_NUMBER(unsigned long long, strtoull)

#define READS_VALUES(name, source)                                                                 \
    HIDDEN int __isoc23_##name(source, const char *format, ...);                                   \
    int __isoc23_##name(source, const char *format, ...)                                           \
    {                                                                                              \
        va_list values;                                                                            \
        int count;                                                                                 \
                                                                                                   \
        va_start(values, format);                                                                  \
        count = __isoc99_v##name(from, format, values);                                            \
        va_end(values);                                                                            \
        return count;                                                                              \
    }
READS_VALUES(fscanf, struct _IO_FILE *from)
READS_VALUES(sscanf, const char *from)
#endif
#endif
