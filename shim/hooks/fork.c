/* How a process comes to share all it holds with a child. These hooks only watch. */
#include "safeclose.h"

#include "doors/fork.h"
#include "ground/real.h"
#include "ground/real_late.h"

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
 * vfork returns twice on one stack, so no function of C may stand between it and its caller. The stub
 * takes its caller's return address off the stack, where the child will write over it, and calls vfork
 * as if from there; both, when they return, get the address back from memory of the thread. So the
 * parent can tell when the child has executed or ended, which is when vfork returns in it.
 *
 * A child of vfork may vfork in its turn: the memory is a stack. Deeper than that, and where the kernel
 * checks return addresses (a shadow stack, whose top the child shares), vfork is jumped to, and the
 * parent's next hook tells.
 */
#define DEEPEST 4

static PER_THREAD struct {
    void *return_addresses[DEEPEST];
    enum forking forkings[DEEPEST];
    int depth;
} vforks;

struct before_vfork {
    void *vfork;
    long deep; /* 0: is to be jumped to */
};

__attribute__((used)) static struct before_vfork before_vfork(void *return_address,
                                                              long shadow_stack)
{
    struct before_vfork answer = {real_vfork(), 0};
    bool ends_by_call = vforks.depth < DEEPEST && !shadow_stack;
    enum forking forking = fork_vfork_begin(ends_by_call);

    if (ends_by_call) {
        vforks.return_addresses[vforks.depth] = return_address;
        vforks.forkings[vforks.depth] = forking;
        answer.deep = ++vforks.depth;
    }
    return answer;
}

/* Where the caller goes on. In the child, which runs in its parent's memory, everything is left to it. */
__attribute__((used)) static void *after_vfork(long pid)
{
    int at = vforks.depth - 1;

    if (pid != 0) {
        vforks.depth = at;
        fork_end(vforks.forkings[at], pid);
    }
    return vforks.return_addresses[at];
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
        "    mov (%rsp), %rdi\n"
        "    xor %esi, %esi\n"
        "    rdsspq %rsi\n" /* nothing at all where there are no shadow stacks */
        "    sub $8, %rsp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    call before_vfork\n"
        "    add $8, %rsp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    test %rdx, %rdx\n"
        "    jnz 1f\n"
        "    jmp *%rax\n"
        "1:  add $8, %rsp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_undefined rip\n"
        "    call *%rax\n"
        "    push %rax\n"
        "    movslq %eax, %rdi\n"
        "    sub $8, %rsp\n"
        "    call after_vfork\n"
        "    mov %rax, %rcx\n"
        "    add $8, %rsp\n"
        "    pop %rax\n"
        "    push %rcx\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size vfork, . - vfork\n"
        ".popsection\n");
#elif defined(__i386__)
/* A structure would be returned in memory: the halves of a number are in %eax and %edx. */
__attribute__((used)) static uint64_t before_vfork_packed(void *return_address)
{
    struct before_vfork answer = before_vfork(return_address, 0);

    return (uint64_t)(unsigned long)answer.deep << 32 | (uintptr_t)answer.vfork;
}

__asm__(".pushsection .text\n"
        ".globl vfork, __vfork\n"
        ".type vfork, @function\n"
        ".type __vfork, @function\n"
        "vfork:\n"
        "__vfork:\n"
        "    .cfi_startproc\n"
        "    mov (%esp), %eax\n"
        "    sub $8, %esp\n" /* a stack is aligned to 16 bytes where a call's arguments begin */
        "    .cfi_adjust_cfa_offset 8\n"
        "    push %eax\n"
        "    .cfi_adjust_cfa_offset 4\n"
        "    call before_vfork_packed\n"
        "    add $12, %esp\n"
        "    .cfi_adjust_cfa_offset -12\n"
        "    test %edx, %edx\n"
        "    jnz 1f\n"
        "    jmp *%eax\n"
        "1:  add $4, %esp\n"
        "    .cfi_adjust_cfa_offset -4\n"
        "    .cfi_undefined eip\n"
        "    call *%eax\n"
        "    push %eax\n"
        "    sub $8, %esp\n"
        "    push %eax\n"
        "    call after_vfork\n"
        "    mov %eax, %ecx\n"
        "    add $12, %esp\n"
        "    pop %eax\n"
        "    push %ecx\n"
        "    ret\n"
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
        "    mov x0, x30\n"
        "    mov x1, xzr\n"
        "    bl before_vfork\n"
        "    ldp x29, x30, [sp], 16\n"
        "    .cfi_restore x30\n"
        "    .cfi_adjust_cfa_offset -16\n"
        "    mov x16, x0\n"
        "    cbnz x1, 1f\n"
        "    br x16\n"
        "1:  .cfi_undefined x30\n"
        "    blr x16\n"
        "    stp x29, x0, [sp, -16]!\n"
        "    sxtw x0, w0\n"
        "    bl after_vfork\n"
        "    mov x30, x0\n"
        "    ldp x29, x0, [sp], 16\n"
        "    ret\n"
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
