/*
 * A server that gives up connections with unread data, each time from functions whose names say
 * which stack is expected. stack.bats builds it in many ways: it needs no other file.
 *
 *     stack_program CASE [ARGUMENT]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

/* A function that is in the stack under its own name. */
#ifdef __clang__
#define OWN static __attribute__((noinline))
#else
#define OWN static __attribute__((noipa))
#endif

/* Behind a call that shall not become a jump. */
#define STAY() __asm__ volatile("" : : : "memory")

static _Noreturn void fail(const char *what)
{
    perror(what);
    _exit(2);
}

/* A connection with 5 bytes unread; its other end stays open. */
static int connection(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd;

    if (bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0 ||
        connect(peer, (struct sockaddr *)&address, len) != 0)
        fail("connect");
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0 || send(peer, "bytes", 5, 0) != 5 ||
        poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 10000) != 1)
        fail("send");
    close(listener);
    return fd;
}

/* ---- Three faults ---------------------------------------------------------------------------------- */

OWN void close_politely(int fd)
{
    if (close(fd) != 0)
        fail("close");
    STAY();
}

OWN void serve_request(void)
{
    close_politely(connection());
    STAY();
}

OWN void *worker(void *unused)
{
    if (close(connection()) != 0)
        fail("close");
    STAY();
    return unused;
}

OWN void in_a_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, worker, NULL) != 0 || pthread_join(thread, NULL) != 0)
        fail("thread");
    STAY();
}

/* The call is its last instruction: the return address is the next function's. */
static __attribute__((noinline)) _Noreturn void give_up(void)
{
    exit(0);
}

OWN void three(const char *unused)
{
    (void)unused;
    serve_request();
    in_a_thread();
    connection();
    give_up();
}

/* ---- Call sites -------------------------------------------------------------------------------------- */

OWN void first_place(void)
{
    close_politely(connection());
    STAY();
}

OWN void second_place(void)
{
    close_politely(connection());
    STAY();
}

OWN void places(const char *unused)
{
    (void)unused;
    for (volatile int i = 0; i < 3; i++) /* from one place, not from three of an unrolled loop */
        first_place();
    second_place();
    STAY();
}

OWN void recursion(int depth)
{
    if (depth == 1)
        close_politely(connection());
    else
        recursion(depth - 1);
    STAY();
}

OWN void deep(const char *depth)
{
    recursion(atoi(depth));
    STAY();
}

/* ---- Doors --------------------------------------------------------------------------------------------- */

OWN void door_fclose(void)
{
    FILE *stream = fdopen(connection(), "r");

    if (!stream || fclose(stream) != 0)
        fail("fclose");
    STAY();
}

OWN void door_dup2(void)
{
    int fd = connection();
    int other = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (dup2(other, fd) != fd)
        fail("dup2");
    STAY();
}

OWN void door_close_range(void)
{
    unsigned fd = (unsigned)connection();

    if (close_range(fd, fd, 0) != 0)
        fail("close_range");
    STAY();
}

OWN void door_syscall(void)
{
    if (syscall(SYS_close, connection()) != 0)
        fail("syscall");
    STAY();
}

OWN void door_exit_now(void)
{
    connection();
    _exit(0);
}

OWN void doors(const char *unused)
{
    (void)unused;
    door_fclose();
    door_dup2();
    door_close_range();
    door_syscall();
    door_exit_now();
}

OWN void child_closes(void)
{
    close_politely(connection());
    STAY();
}

OWN void fork_child(const char *unused)
{
    int status;
    pid_t pid = fork();

    (void)unused;
    if (pid == 0) {
        child_closes();
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid || status != 0)
        exit(2);
    STAY();
}

/* ---- Signals --------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
#define ILLEGAL "ud2"
static void step_over(ucontext_t *context)
{
    context->uc_mcontext.gregs[REG_RIP] += 2;
}
#elif defined(__i386__)
#define ILLEGAL "ud2"
static void step_over(ucontext_t *context)
{
    context->uc_mcontext.gregs[REG_EIP] += 2;
}
#else
#define ILLEGAL "udf #0"
static void step_over(ucontext_t *context)
{
    context->uc_mcontext.pc += 4;
}
#endif

/* Interrupted at its first instruction: the byte before it is not its own. */
void interrupted(void);
__asm__(".text\n"
        ".type before_it, %function\n"
        "before_it: .cfi_startproc\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size before_it, . - before_it\n"
        ".globl interrupted\n"
        ".type interrupted, %function\n"
        "interrupted: .cfi_startproc\n" ILLEGAL "\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size interrupted, . - interrupted");

static int given_to_handler;

OWN void handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    close_politely(given_to_handler);
    step_over(context);
    STAY();
}

OWN void interrupts(void)
{
    interrupted();
    STAY();
}

OWN void in_handler(const char *where)
{
    static char bytes[64 << 10];
    stack_t stack = {.ss_sp = bytes, .ss_size = sizeof(bytes)};
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

    if (strcmp(where, "alternate") == 0) {
        sigaltstack(&stack, NULL);
        action.sa_flags |= SA_ONSTACK;
    }
    given_to_handler = connection();
    sigaction(SIGILL, &action, NULL);
    interrupts();
}

/* Many frames, and no thread. */
OWN void many(const char *unused)
{
    (void)unused;
    in_handler("same");
    deep("20");
    connection();
    give_up();
}

/* ---- Files that change ---------------------------------------------------------------------------------- */

static void meet(void)
{
    puts("ready");
    fflush(stdout);
    if (getchar() == EOF)
        fail("getchar");
}

OWN void after_meeting(const char *unused)
{
    (void)unused;
    meet();
    serve_request();
    STAY();
}

OWN void in_root(const char *directory)
{
    if (chdir(directory) != 0 || chroot(".") != 0)
        fail("chroot");
    serve_request();
    STAY();
}

/* Its function close_in_library(fd). */
OWN void library(const char *path)
{
    void *handle = dlopen(path, RTLD_NOW);
    void (*function)(int) = NULL;

    if (handle)
        *(void **)&function = dlsym(handle, "close_in_library");
    if (!function) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    if (getenv("MEET"))
        meet();
    function(connection());
    STAY();
}

/* ---- Code that is in no module ---------------------------------------------------------------------------- */

OWN void made_at_run_time(const char *unused)
{
#if defined(__x86_64__)
    /* sub $8,%rsp; call *%rsi; add $8,%rsp; ret */
    static const unsigned char code[] = {0x48, 0x83, 0xec, 8, 0xff, 0xd6,
                                         0x48, 0x83, 0xc4, 8, 0xc3};
#elif defined(__i386__)
    /* sub $8,%esp; push 12(%esp); call *20(%esp); add $12,%esp; ret */
    static const unsigned char code[] = {0x83, 0xec, 8,  0xff, 0x74, 0x24, 12,  0xff,
                                         0x54, 0x24, 20, 0x83, 0xc4, 12,   0xc3};
#else
    /* stp x29,x30,[sp,#-16]!; blr x1; ldp x29,x30,[sp],#16; ret */
    static const unsigned code[] = {0xa9bf7bfd, 0xd63f0020, 0xa8c17bfd, 0xd65f03c0};
#endif
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void (*call)(int, int (*)(int));

    (void)unused;
    memcpy(page, code, sizeof(code));
    if (mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0)
        fail("mprotect");
    __builtin___clear_cache(page, (char *)page + 4096);
    *(void **)&call = page;
    call(connection(), close);
    STAY();
}

/* ---- What a close leaves as it was -------------------------------------------------------------------------- */

static int open_descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 64; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

OWN void unchanged(const char *unused)
{
    sigset_t set;
    sigset_t after;
    int fd = connection();
    int before = open_descriptors();

    (void)unused;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMAX);
    sigprocmask(SIG_SETMASK, &set, NULL);
    errno = ENOTTY;
    if (close(fd) != 0 || errno != ENOTTY)
        fail("errno");
    sigprocmask(SIG_BLOCK, NULL, &after);
    for (int i = 1; i <= SIGRTMAX; i++)
        if (sigismember(&set, i) != sigismember(&after, i))
            fail("the signal mask");
    if (open_descriptors() != before - 1)
        fail("descriptors");
    puts("errno and the signal mask are as they were");
}

OWN void poor(const char *unused)
{
    int fd = connection();

    (void)unused;
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){64, 64});
    while (dup(0) >= 0) {
    }
    close_politely(fd);
    STAY();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*function)(const char *argument);
    } cases[] = {
        {"three", three},         {"places", places},         {"deep", deep},
        {"doors", doors},         {"fork", fork_child},       {"handler", in_handler},
        {"many", many},           {"meeting", after_meeting}, {"root", in_root},
        {"library", library},     {"made", made_at_run_time}, {"poor", poor},
        {"unchanged", unchanged},
    };

    for (size_t i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++)
        if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].function(argc > 2 ? argv[2] : "");
            return 0;
        }
    fprintf(stderr, "stack_program: no such case\n");
    return 2;
}
