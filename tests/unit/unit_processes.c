/* What safeclose watch reads of processes that may be hostile: their files, and what they have mapped. */
#define _GNU_SOURCE
#include "stack/image.h"
#include "test.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- The files of processes ------------------------------------------------------------------------ */

/* A pipe stands for every file that does something if it is opened. */
TEST(a_process_can_not_have_a_device_opened)
{
    char directory[] = "/tmp/unit_processes.XXXXXX", path[64];
    struct mapping mapping = {.end = 4096, .path = path};
    int watch = inotify_init1(IN_NONBLOCK);
    struct inotify_event opened;
    struct stat st;

    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/pipe", directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(stat(path, &st), 0);
    mapping.inode = st.st_ino;
    assert_true(inotify_add_watch(watch, path, IN_OPEN) >= 0);
    assert_int_equal(image_of(getpid(), getppid(), &mapping)->fd, -1);
    assert_int_equal(read(watch, &opened, sizeof(opened)), -1);
    close(watch);
    unlink(path);
    rmdir(directory);
}

static pid_t child_in(const char *root)
{
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (chroot(root) == 0)
            raise(SIGSTOP);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
    return pid;
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* The file that has this function, of a child in another root, or of one that is gone. */
static void expect_foreign(uintptr_t in, bool gone)
{
    struct mappings *mappings = mappings_read(getpid());
    const struct image *image;
    pid_t child = child_in("/usr");

    if (gone)
        end(child);
    image = image_of(child, getpid(), mappings_find(mappings, in));
    if (!gone)
        end(child);
    mappings_release(mappings);
    assert_true(image && image->fd >= 0);
    assert_int_equal(image->foreign, !gone);
}

TEST(what_a_process_in_another_root_has_opened_is_foreign_whatever_its_parent_is)
{
    expect_foreign((uintptr_t)child_in, false);
    expect_foreign((uintptr_t)fork, true);
}

TEST_MAIN()
