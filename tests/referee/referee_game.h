/* A scenario while it is played: what the files of the worker's side share. */
#ifndef SAFECLOSE_TESTS_REFEREE_GAME_H
#define SAFECLOSE_TESTS_REFEREE_GAME_H

#include "referee_stage.h"

/* A scenario being played. */
struct game {
    struct stage *stage;
    const struct scenario *s;
    struct run *run;
    struct scene scene; /* as it is now */
    int peer;
    bool peer_shut;
    bool peer_read_shut;
    uint32_t peer_sent; /* what the peer's socket took */
    uint32_t peer_read;
    int peer_error;  /* what ended its reading; only the first who reads or sends is told */
    uint32_t urgent; /* size of an urgent send that has not arrived yet */
    bool peer_reset; /* the peer has reset, and closed */
    bool fresh;      /* the scene's sample of our end was taken after the last step */
    bool passed;     /* the program has given the connection up */
    bool ended;      /* the program has */
    bool holder_ended;
    bool late_sent;   /* under linger: the peer has sent its last, */
    bool lingered;    /* and ended */
    int help;         /* how often a program that ends was waited for */
    bool closed;      /* it was seen to have given the connection up; */
    long closed_at;   /* when, in ms */
    long events_from; /* where in the log the close's events begin */
    struct net_resets at_pass;
    int clients[CLIENTS_MAX];
    char client_names[CLIENTS_MAX][64];
};

/* All of these are false where the run is in trouble, and can't go on. */

/* ---- Talking and settling (referee_settle.c) ------------------------------------------------- */

/* The first trouble is the one that tells. False always. */
__attribute__((format(printf, 2, 3))) bool game_trouble(struct game *g, const char *format, ...);

/* What the program's calls return is part of the story. */
void game_remember(struct game *g, int value);

int program_channel(const struct game *g);

/* One exchange. What the program reads must be what the peer sent, in its place. */
bool game_ask(struct game *g, int channel, enum op op, uint32_t size, uint32_t at,
              struct reply *reply);

/* Waits until nothing moves any more. CHANNEL: who has the program's end; ready: it is to prepare
 * for its door. */
bool game_settle_with(struct game *g, int channel, bool ready);
bool game_settle(struct game *g);

/* ---- Steps (referee_steps.c) ----------------------------------------------------------------- */

bool game_plays_steps(struct game *g);

/* Reads at most SIZE bytes; the end of it in *error, -1 if there is more to come. */
bool peer_reads(struct game *g, uint32_t size, int *error);
bool peer_sends(struct game *g, uint32_t size, int flags);

/* Has it read until nothing is left and nothing more comes; adds what it got to *all. */
bool program_reads_all(struct game *g, int channel, enum op op, uint32_t *all);

/* ---- Doors (referee_door.c) ------------------------------------------------------------------ */

/* Passes the door, with eyes open. */
bool game_pass(struct game *g, int channel, enum op op, bool ends, struct witness *w);

/* The peer reads to the end: what it gets is what the close was worth. */
bool game_reads_to_end(struct game *g, struct witness *w);

/* For whoever waits for a program that waits for the peer to take what was written. */
bool game_take_output(void *game);

/* Looks for resets since the close that answer what came after it. */
void game_looks_back(struct game *g, struct witness *w);

bool game_peer_has_fin(const struct game *g, const struct sample *peer);

/* helper may be NULL. */
bool game_wait_for_end(int pid, const struct helper *helper);

/* ---- Lingering (referee_linger.c) ------------------------------------------------------------ */

/* Everybody who held it has given it up: the peer goes on to its end. Under linger it may send, as
 * somebody still listens. */
bool game_goes_to_end(struct game *g, struct witness *w);

/* The program has given it up, in the mode drain or linger, and nobody holds it: returns when its lot
 * has, where it is to drain it. */
void game_awaits_draining(const struct game *g);

/* For whoever waits for a program that ends, and waits for its lot. */
bool game_ends_lingering(void *game);

#endif
