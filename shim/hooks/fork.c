/* How a process comes to share all it holds with a child. These hooks only watch. */
#include "safeclose.h"

#include "doors/fork.h"
#include "real.h"

#include <pty.h>

EXPORT pid_t fork(void)
{
    enum forking forking = fork_begin();

    return (int)fork_end(forking, real_fork());
}

/* glibc has these names too. */
ALIAS(fork) pid_t __fork(void);

EXPORT pid_t _Fork(void)
{
    enum forking forking = fork_begin();

    return (int)fork_end(forking, real__Fork());
}

EXPORT pid_t forkpty(int *master, char *name, const struct termios *termios,
                     const struct winsize *size)
{
    enum forking forking = fork_begin();

    return (int)fork_end(forking, real_forkpty(master, name, termios, size));
}

EXPORT int daemon(int nochdir, int noclose)
{
    enum forking forking = fork_daemon_begin();

    return fork_daemon_end(forking, real_daemon(nochdir, noclose));
}

/*
 * vfork returns twice on one stack, so no function of C may stand between it and its caller: the
 * stub notes the call, and jumps. Its caller's frame and return address are as if it had not been
 * there.
 */
__attribute__((used)) static void *before_vfork(void)
{
    fork_vfork_begin();
    return real_vfork();
}

#if defined(__x86_64__)
__asm__(".pushsection .text\n"
        ".globl vfork, __vfork\n" /* glibc has both names */
        ".type vfork, @function\n"
        ".type __vfork, @function\n"
        "vfork:\n"
        "__vfork:\n"
        "    .cfi_startproc\n"
        "    endbr64\n"
        "    sub $8, %rsp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    call before_vfork\n"
        "    add $8, %rsp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    jmp *%rax\n"
        "    .cfi_endproc\n"
        ".size vfork, . - vfork\n"
        ".popsection\n");
#elif defined(__aarch64__)
__asm__(".pushsection .text\n"
        ".globl vfork, __vfork\n"
        ".type vfork, %function\n"
        ".type __vfork, %function\n"
        "vfork:\n"
        "__vfork:\n"
        "    .cfi_startproc\n"
        "    hint 34\n" /* bti c */
        "    stp x29, x30, [sp, -16]!\n"
        "    .cfi_adjust_cfa_offset 16\n"
        "    .cfi_rel_offset x30, -8\n"
        "    bl before_vfork\n"
        "    ldp x29, x30, [sp], 16\n"
        "    .cfi_restore x30\n"
        "    .cfi_adjust_cfa_offset -16\n"
        "    mov x16, x0\n"
        "    br x16\n"
        "    .cfi_endproc\n"
        ".size vfork, . - vfork\n"
        ".popsection\n");
#endif

/* What is no thread's: see clone(2) for what CLONE_VM and CLONE_FILES share. */
EXPORT int clone(int (*function)(void *), void *stack, int flags, void *argument, ...)
{
    enum forking forking = fork_clone_begin((unsigned)flags);
    void *rest[3];
    va_list args;

    va_start(args, argument);
    for (int i = 0; i < 3; i++)
        rest[i] = va_arg(args, void *);
    va_end(args);
    return (int)fork_end(forking, real_clone(function, stack, flags, argument, rest));
}

/* glibc has these names too. */
ALIAS(clone) int __clone(int (*function)(void *), void *stack, int flags, void *argument, ...);
