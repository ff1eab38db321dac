#include "gather/filter.h"

#include <string.h>

bool filter_lists(const char *list, const struct json_value *word)
{
    for (size_t len; *list; list += len + (list[len] == ',')) {
        len = strcspn(list, ",");
        if (word->kind == JSON_STRING && len == word->len && memcmp(list, word->bytes, len) == 0)
            return true;
    }
    return false;
}

bool filter_leaves_out(const struct report_options *o)
{
    return o->pid || o->program || o->causes || o->port_ranges;
}

static bool has_port(const struct report_options *o, const struct json_value *address)
{
    const char *host;
    size_t len;
    unsigned port = log_address(address, &host, &len);

    for (unsigned i = 0; i < o->port_ranges; i++)
        if (port >= o->ports[i].first && port <= o->ports[i].last)
            return true;
    return false;
}

bool filter_passes(const struct report_options *o, const struct log_event *e)
{
    bool is_close = e->kind == LOG_CLOSE || e->kind == LOG_CLOSE_END || e->kind == LOG_LINGER_END ||
                    e->kind == LOG_RESET;

    if ((o->since && e->time < o->since) || (o->until && e->time >= o->until))
        return false;
    if (!is_close) /* a summary counts all connections of a family */
        return !filter_leaves_out(o);
    return (!o->pid || o->pid == e->pid) && (!o->program || log_is(&e->comm, o->program)) &&
           (!o->causes || filter_lists(o->causes, &e->cause)) &&
           (!o->port_ranges || has_port(o, &e->local) || has_port(o, &e->peer));
}
