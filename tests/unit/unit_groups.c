/*
 * What safeclose report adds events up in: groups that make room for each other, samples, tallies and the timeline. Each
 * is compared with plain sums over the same numbers.
 */
#define _GNU_SOURCE
#include "gather/groups.h"
#include "gather/sample.h"
#include "log/strings.h"
#include "gather/tally.h"
#include "test.h"
#include "gather/timeline.h"
#include "report/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TEST(a_sample_has_the_exact_median_and_largest_of_up_to_1024)
{
    for (unsigned count = 1; count <= SAMPLE_MOST; count += 341) {
        struct sample s = {0};

        for (unsigned i = 0; i < count; i++)
            sample_add(&s, (i * 7919) % count); /* a permutation: 7919 is a prime */
        assert_int_equal(sample_median(&s), (count - 1) / 2);
        assert_int_equal(s.largest, count - 1);
        sample_free(&s);
    }
}

TEST(the_median_of_more_is_near_it)
{
    struct sample s = {0};

    for (unsigned i = 0; i < 100000; i++)
        sample_add(&s, (i * 7919) % 100000);
    assert_in_range(sample_median(&s), 35000, 65000); /* six standard errors are 9,400 */
    assert_int_equal(s.seen, 100000);
    sample_free(&s);
}

TEST(a_heavy_group_stays_when_others_make_room_and_no_number_gets_lost)
{
    struct groups groups;
    struct totals all;

    groups_begin(&groups, 16);
    for (uint64_t i = 1; i <= 10000; i++) {
        struct group *g = groups_get(&groups, i % 10 ? i : 5);

        g->totals.resets++;
        g->totals.unacked += i % 10 ? 1 : 1000;
        assert_true(groups.count <= 16);
    }
    groups_sort(&groups);
    all = groups.rest;
    for (uint32_t i = 0; i < groups.count; i++)
        totals_add(&all, &groups.sorted[i]->totals);
    assert_int_equal(all.resets, 10000);
    assert_int_equal(all.unacked, 9000 + 1000 * 1000);
    assert_int_equal(groups.sorted[0]->key, 5);
    assert_true(groups.sorted[0]->totals.resets >= 1000);
    assert_true(groups_have(&groups, 5));
}

static bool is_even(uint64_t group)
{
    return group % 2 == 0;
}

TEST(a_full_tally_drops_groups_that_are_no_more)
{
    const struct tally_entry *e;
    uint32_t word = strings_add("word", 4);
    size_t count;

    tally_begin(is_even);
    tally_add(2, TALLY_PEER, word, 1);
    for (uint64_t i = 0; i < 2 * TALLY_MOST; i++)
        tally_add(2 * i + 1, TALLY_PEER, word, 1);
    tally_add(2, TALLY_PEER, word, 1);
    tally_add(4, TALLY_VIA, word, 1);
    assert_int_equal(tally_untold(), 0);
    e = tally_of(2, TALLY_PEER, &count);
    assert_int_equal(count, 1);
    assert_int_equal(e->count, 2);
    tally_of(2, TALLY_VIA, &count);
    assert_int_equal(count, 0);
    tally_of(4, TALLY_VIA, &count);
    assert_int_equal(count, 1);
}

static uint64_t sum(const struct timeline *t, unsigned row)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < TIMELINE_STEPS; i++)
        all += t->counts[row][i];
    return all;
}

/* The same times in another order give the same steps. */
TEST(a_timeline_keeps_all_and_does_not_depend_on_the_order)
{
    static struct timeline up, down, mixed;
    const int64_t begin = 1795960000000000, minute = 60000000;

    for (int64_t i = 0; i < 1000; i++) {
        timeline_add(&up, i % 2, begin + i * minute, 1);
        timeline_add(&down, (999 - i) % 2, begin + (999 - i) * minute, 1);
        timeline_add(&mixed, (i * 619 % 1000) % 2, begin + i * 619 % 1000 * minute, 1);
    }
    assert_int_equal(sum(&up, 0), 500);
    assert_int_equal(sum(&up, 1), 500);
    assert_int_equal(up.step, down.step);
    assert_int_equal(up.step, mixed.step);
    for (int64_t i = 0; i < 1000; i++) {
        int64_t step = (begin + i * minute) / up.step;

        assert_int_equal(up.counts[i % 2][step - up.first], down.counts[i % 2][step - down.first]);
        assert_int_equal(up.counts[i % 2][step - up.first],
                         mixed.counts[i % 2][step - mixed.first]);
    }
}

TEST(a_timeline_holds_a_century)
{
    static struct timeline t;
    unsigned first = 0, last = 0;

    timeline_add(&t, 0, INT64_C(4102444799000000), 1);
    timeline_add(&t, 0, INT64_C(946684800000000), 1);
    timeline_add(&t, 5, INT64_C(1795960000000000), 1);
    assert_int_equal(sum(&t, 0) + sum(&t, 5), 3);
    assert_true(timeline_range(&t, &first, &last));
    assert_true(last - first > TIMELINE_STEPS / 4);
}

TEST(equal_strings_have_one_number_and_bytes_are_kept)
{
    uint32_t one = strings_add("a\xff", 2);

    assert_int_equal(strings_add("a\xff", 2), one);
    assert_true(strings_add("a", 1) != one);
    assert_string_equal(strings_text(one), "a\xff");
    assert_int_equal(strings_add("", 0), STRINGS_EMPTY);
}

TEST(what_is_shown_is_plain_and_short_and_keeps_its_end)
{
    assert_string_equal(words_plain("a\033[31m\n\xff", 0), "a\\x1b[31m\\x0a\\xff");
    assert_string_equal(words_plain("gr\xc3\xbc\xc3\x9f", 0), "gr\xc3\xbc\xc3\x9f");
    assert_string_equal(words_plain("\xe2\x80\xae", 0), "\\xe2\\x80\\xae");
    assert_string_equal(words_plain("0123456789", 8), "...56789");
    assert_string_equal(words_path("/srv/legacy/src/server.c", 16), ".../src/server.c");
    assert_string_equal(words_function("a::b<int, c<d> >::e<f>"), "a::b::e");
    assert_string_equal(words_function("operator<<"), "operator<<");
    assert_string_equal(words_function("close@@GLIBC_2.2.5"), "close");
    assert_string_equal(words_number(1234567), "1,234,567");
    assert_string_equal(words_count(1, "reset"), "1 reset");
}

TEST_MAIN()
