#include "safeclose.h"

#include "report/meaning.h"

enum { CONTENT_ANY = CONTENT_COUNT };

static const struct meaning meanings[] = {
#define MEANING(cause, content, whose, when, what, advice)                                         \
    {CAUSE_##cause, CONTENT_##content, whose, when, what, advice},
#include "tcp/causes.def"
#undef MEANING
};

const struct meaning *meaning_of(enum cause cause, enum content content, enum whose whose,
                                 unsigned when)
{
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        const struct meaning *m = &meanings[i];

        if (m->cause == cause && (m->content == CONTENT_ANY || m->content == content) &&
            (m->whose & whose) == whose && m->when & (when | EVER))
            return m;
    }
    return NULL;
}
