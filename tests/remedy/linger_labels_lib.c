/*
 * What libselinux and libapparmor export of what concerns a thread. Each returns how many threads there are, or
 * -1 if it was not given what the program gave.
 */
#include <dirent.h>
#include <string.h>

int setcon(const char *context);
int setcon_raw(const char *context);
int aa_change_profile(const char *profile);
int aa_change_hat(const char *hat, unsigned long token);

static int threads(const char *label)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = -2; /* . and .. */

    while (tasks && readdir(tasks))
        count++;
    if (tasks)
        closedir(tasks);
    return strcmp(label, "label") == 0 ? count : -1;
}

int setcon(const char *context)
{
    return threads(context);
}

int setcon_raw(const char *context)
{
    return threads(context);
}

int aa_change_profile(const char *profile)
{
    return threads(profile);
}

int aa_change_hat(const char *hat, unsigned long token)
{
    return token == 7 ? threads(hat) : -1;
}
