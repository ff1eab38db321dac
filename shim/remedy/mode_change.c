#include "safeclose.h"

#include "ground/boundary.h"
#include "remedy/mode_change.h"
#include "report/event.h"
#include "report/event_json.h"
#include "report/event_text.h"
#include "report/sink.h"
#include "settings/options.h"
#include "tcp/first_use.h"

static void put_json(struct text *t, const struct control_news *news)
{
    event_json_head(t, "mode");
    event_json_comm(t);
    text_put(t, ",\"from\":\"%s\",\"to\":\"%s\"}\n", options_mode_name(news->from),
             options_mode_name(news->to));
}

static void put_text(struct text *t, const struct control_news *news)
{
    event_text_head(t);
    text_put(t, "mode changes from %s to %s (SAFECLOSE_CONTROL)\n", options_mode_name(news->from),
             options_mode_name(news->to));
}

static void tell_change(struct line *line, const struct control_news *news)
{
    if (sink_json())
        put_json(&line->text, news);
    else
        put_text(&line->text, news);
    sink_write_log(line);
    event_log_trouble(line);
    sink_release(line);
}

static void tell_trouble(struct line *line, const struct text *trouble)
{
    if (sink_json())
        text_json(&line->text, trouble->bytes, trouble->len);
    else
        text_bytes(&line->text, trouble->bytes, trouble->len);
    event_problem_end(line);
}

static void tell(const struct control_news *news)
{
    bool changed = news->from != news->to;
    struct line *line = changed ? sink_claim() : event_problem_begin();

    if (line && changed)
        tell_change(line, news);
    else if (line)
        tell_trouble(line, news->trouble);
}

/* A process that has not used TCP yet says nothing: what it says then has the mode of then. */
void mode_change_look_now(int64_t now)
{
    struct control_news news;
    bool tells;

    if (!control_begin(now, &news))
        return;
    tells = atomic_load(&process->greeted) && (news.from != news.to || news.trouble);
    if (tells) {
        first_use(); /* in a mode that tells the log is open from here on */
        tell(&news);
    }
    control_end(&news, tells);
}
