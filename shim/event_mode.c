#include "safeclose.h"

#include "boundary.h"
#include "event.h"
#include "event_json.h"
#include "event_mode.h"
#include "event_text.h"
#include "options.h"
#include "sink.h"

static void put_json(struct text *t, const struct control_news *news)
{
    bool changed = news->from != news->to;

    event_json_head(t, changed ? "mode" : "problem");
    event_json_comm(t);
    if (changed) {
        text_put(t, ",\"from\":\"%s\",\"to\":\"%s", options_mode_name(news->from),
                 options_mode_name(news->to));
    } else {
        text_put(t, ",\"problem\":\"");
        text_json(t, news->trouble->bytes, news->trouble->len);
    }
    text_put(t, "\"}\n");
}

static void put_text(struct text *t, const struct control_news *news)
{
    event_text_head(t);
    if (news->from != news->to)
        text_put(t, "mode changes from %s to %s (SAFECLOSE_CONTROL)", options_mode_name(news->from),
                 options_mode_name(news->to));
    else
        text_bytes(t, news->trouble->bytes, news->trouble->len);
    text_put(t, "\n");
}

static void tell(const struct control_news *news)
{
    struct line *line = sink_claim();

    if (!line)
        return;
    if (sink_json())
        put_json(&line->text, news);
    else
        put_text(&line->text, news);
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
    if (tells) {
        event_first_use(); /* in a mode that tells the log is open from here on */
        tell(&news);
    }
    control_end(&news, tells);
}
