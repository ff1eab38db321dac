/* How a process comes to share all it holds with a child. These hooks only watch. */
#include "../safeclose.h"

#include "../boundary.h"
#include "../real.h"

/* The child leaves through here too; its page is wiped, and its next hook finds out. */
EXPORT pid_t fork(void)
{
    pid_t pid;

    if (!boundary_enter())
        return real_fork();
    boundary_fork_begin();
    pid = real_fork();
    if (pid != 0)
        boundary_fork_end();
    return pid;
}

EXPORT pid_t _Fork(void)
{
    pid_t pid;

    if (!boundary_enter())
        return real__Fork();
    boundary_fork_begin();
    pid = real__Fork();
    if (pid != 0)
        boundary_fork_end();
    return pid;
}

/*
 * vfork returns twice on one stack, so no function of C may stand between it and its caller: the
 * stub notes the call, and jumps. Its caller's frame and return address are as if it had not been
 * there.
 */
__attribute__((used)) static void *before_vfork(void)
{
    if (boundary_enter())
        boundary_vfork();
    return real_vfork();
}

#if defined(__x86_64__)
__asm__(".pushsection .text\n"
        ".globl vfork\n"
        ".type vfork, @function\n"
        "vfork:\n"
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
        ".globl vfork\n"
        ".type vfork, %function\n"
        "vfork:\n"
        "    .cfi_startproc\n"
        "    hint 34\n" /* bti c */
        "    stp x29, x30, [sp, -16]!\n"
        "    .cfi_adjust_cfa_offset 16\n"
        "    .cfi_rel_offset x30, 8\n"
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

EXPORT int system(const char *command)
{
    bool in = boundary_enter();
    int ret;

    if (in)
        boundary_fork_begin();
    ret = real_system(command);
    if (in)
        boundary_fork_end();
    return ret;
}

EXPORT FILE *popen(const char *command, const char *type)
{
    bool in = boundary_enter();
    FILE *stream;

    if (in)
        boundary_fork_begin();
    stream = real_popen(command, type);
    if (in)
        boundary_fork_end();
    return stream;
}

EXPORT int posix_spawn(pid_t *restrict pid, const char *restrict path,
                       const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                       char *const envp[restrict])
{
    bool in = boundary_enter();
    int ret;

    if (in)
        boundary_fork_begin();
    ret = real_posix_spawn(pid, path, actions, attributes, argv, envp);
    if (in)
        boundary_fork_end();
    return ret;
}

EXPORT int posix_spawnp(pid_t *restrict pid, const char *restrict file,
                        const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                        char *const envp[restrict])
{
    bool in = boundary_enter();
    int ret;

    if (in)
        boundary_fork_begin();
    ret = real_posix_spawnp(pid, file, actions, attributes, argv, envp);
    if (in)
        boundary_fork_end();
    return ret;
}
