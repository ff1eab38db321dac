#include "safeclose.h"

#include "ground/error.h"

const char *error_text(long error)
{
    switch (error) {
    case EACCES:
        return "Permission denied";
    case EPERM:
        return "Operation not permitted";
    case ENOENT:
        return "No such file or directory";
    case ENOTDIR:
        return "Not a directory";
    case EISDIR:
        return "Is a directory";
    case ELOOP:
        return "Too many levels of symbolic links";
    case ENAMETOOLONG:
        return "File name too long";
    case EROFS:
        return "Read-only file system";
    case ENOSPC:
        return "No space left on device";
    case EDQUOT:
        return "Disk quota exceeded";
    case EMFILE:
        return "Too many open files";
    case ENFILE:
        return "Too many open files in system";
    case EAGAIN:
        return "Resource temporarily unavailable";
    case ENOMEM:
        return "Cannot allocate memory";
    case ENXIO:
        return "No such device or address";
    case ETXTBSY:
        return "Text file busy";
    case ECONNREFUSED:
        return "Connection refused";
    case EPROTOTYPE:
        return "Protocol wrong type for socket";
    default:
        return "the kernel refused";
    }
}
