/*
 * Symbols of loaded objects, found without dlsym and compared with what dlsym finds.
 */
#include "ground/loaded.h"
#include "test.h"

#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Nothing here has one of the names, so the first object that has it is a later one. (Before glibc 2.36 dlsym finds the
 * oldest version of a name with RTLD_NEXT.) */
static void as_dlsym(const char *names)
{
    void *found[LOADED_MOST] = {NULL};
    unsigned i = 0;

    loaded_find(LOADED_NEXT, names, found);
    for (const char *name = names; *name; name += strlen(name) + 1, i++)
        if (found[i] != dlsym(RTLD_DEFAULT, name))
            fail_msg("%s is %p, and dlsym finds %p", name, found[i], dlsym(RTLD_DEFAULT, name));
}

/* "posix_spawn", for one, has an older version that no program is linked with any more. */
TEST(functions_that_hooks_stand_in_front_of)
{
    static const char names[] = {
#define REAL(type, name, parameters) #name "\0"
#define REAL_CALL(type, name, parameters, ...) REAL(type, name, parameters)
#define REAL_PASS(type, name, parameters, arguments) REAL(type, name, parameters)
#define REAL_VARIABLE(type, name) #name "\0"
#include "ground/real.def"
    };

    as_dlsym(names);
    assert_non_null(dlsym(RTLD_DEFAULT, "close"));
}

/* The first two: of glibc, for programs that were linked before 2.32 only. */
TEST(names_that_are_not_there)
{
    as_dlsym("sys_errlist\0sys_nerr\0no_such_function\0");
}

TEST(what_was_found_before_stays)
{
    int mine;
    void *found[] = {&mine, NULL};

    loaded_find(LOADED_NEXT, "close\0dup\0", found);
    assert_ptr_equal(found[0], &mine);
    assert_ptr_equal(found[1], dlsym(RTLD_DEFAULT, "dup"));
}

/* Their address is that of a function which returns the function's. */
TEST(functions_chosen_at_load_time)
{
    void *found = NULL;

    loaded_find(LOADED_NEXT, "strlen\0", &found);
#if defined(__GLIBC__) && defined(__x86_64__)
    assert_null(found);
#endif
}

/* The kernel's own object stands before this one in glibc's list, and behind all in musl's. */
#ifdef __aarch64__
#define CLOCK "__kernel_clock_gettime"
#else
#define CLOCK "__vdso_clock_gettime"
#endif
TEST(the_kernels_clock)
{
    static const char *const objects[] = {"linux-vdso.so.1", "linux-gate.so.1"};
    void *kernels = NULL;
    void *found = NULL;

    for (unsigned i = 0; i < 2 && !kernels; i++)
        kernels = dlopen(objects[i], RTLD_LAZY | RTLD_NOLOAD);
    loaded_find(LOADED_ANY, CLOCK "\0", &found);
    assert_ptr_equal(found, kernels ? dlsym(kernels, CLOCK) : NULL);
}

/* loaded_lib.so has no GNU hash section. */
TEST(a_module_for_its_opener_alone)
{
    char self[PATH_MAX] = "";
    char path[PATH_MAX + sizeof("/loaded_lib.so")];
    void *found[3] = {NULL};
    void *module;

    loaded_find(LOADED_NEXT, "loaded_first\0", found);
    assert_null(found[0]);
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    snprintf(path, sizeof(path), "%s/loaded_lib.so", dirname(self));
    module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!module)
        fail_msg("%s", dlerror());
    loaded_find(LOADED_NEXT, "loaded_first\0loaded_last\0loaded_not\0", found);
    assert_non_null(found[0]);
    assert_ptr_equal(found[0], dlsym(module, "loaded_first"));
    assert_ptr_equal(found[1], dlsym(module, "loaded_last"));
    assert_null(found[2]);
    dlclose(module);
}

TEST_MAIN()
