#include "safeclose.h"

#include "boundary.h"
#include "event.h"
#include "event_json.h"
#include "event_mode.h"
#include "event_text.h"
#include "options.h"
#include "sink.h"

static void put_change(struct text *t, const char *from, const char *to)
{
    if (sink_json()) {
        event_json_head(t, "mode");
        event_json_comm(t);
        text_put(t, ",\"from\":\"%s\",\"to\":\"%s\"}\n", from, to);
    } else {
        event_text_head(t);
        text_put(t, "mode changes from %s to %s (SAFECLOSE_CONTROL)\n", from, to);
    }
}

static void put_trouble(struct text *t, const struct text *trouble)
{
    if (sink_json()) {
        event_json_head(t, "problem");
        event_json_comm(t);
        text_put(t, ",\"problem\":\"");
        text_json(t, trouble->bytes, trouble->len);
        text_put(t, "\"}\n");
    } else {
        event_text_head(t);
        text_bytes(t, trouble->bytes, trouble->len);
        text_put(t, "\n");
    }
}

static void tell(const struct control_news *news)
{
    struct line *line = sink_claim();

    if (!line)
        return;
    if (news->from != news->to)
        put_change(&line->text, options_mode_name(news->from), options_mode_name(news->to));
    else
        put_trouble(&line->text, news->trouble);
    sink_write_log(line);
    event_log_trouble(line);
    sink_release(line);
}

/* A process that has not used TCP yet says nothing: what it says then has the mode of then. */
void event_mode_look_now(int64_t now)
{
    struct control_news news;
    bool tells;

    if (!control_begin(now, &news))
        return;
    tells = atomic_load(&process->greeted) && (news.from != news.to || news.trouble);
    if (tells)
        tell(&news);
    control_end(&news, tells);
}
